"""What group-buys owe to later."""

from __future__ import annotations

from chalicelib.jobs.declarations import handles

SETTLE_LOBBY = handles("groupbuy.settle_lobby", "chalicelib.groupbuy.settle:settle")
RESOLVE_ORDERS = handles("groupbuy.resolve_orders", "chalicelib.groupbuy.settle:finish")
END_ACTIVITY = handles("groupbuy.end_activity", "chalicelib.groupbuy.settle:end_activity")
APPLY_RESULTS = handles("groupbuy.apply_results", "chalicelib.groupbuy.settle:owe_awards")
APPLY_RESULT = handles("groupbuy.apply_result", "chalicelib.groupbuy.settle:award")
GIVE_CONSOLATION = handles("groupbuy.give_consolation", "chalicelib.groupbuy.settle:console")
