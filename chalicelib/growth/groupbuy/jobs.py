"""What group-buys owe to later."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import handles

SETTLE_LOBBY = handles("groupbuy.settle_lobby", "chalicelib.growth.groupbuy.lobbies.service:settle_lobby")
RESOLVE_ORDERS = handles("groupbuy.resolve_orders", "chalicelib.growth.groupbuy.lobbies.service:resolve_orders")
END_ACTIVITY = handles("groupbuy.end_activity", "chalicelib.growth.groupbuy.lottery.service:end_activity")
APPLY_RESULTS = handles("groupbuy.apply_results", "chalicelib.growth.groupbuy.lottery.service:apply_results")
APPLY_RESULT = handles("groupbuy.apply_result", "chalicelib.growth.groupbuy.lottery.service:apply_result")
GIVE_CONSOLATION = handles("groupbuy.give_consolation", "chalicelib.growth.groupbuy.lottery.service:give_consolation")
