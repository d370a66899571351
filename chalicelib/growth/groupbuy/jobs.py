"""What group-buys owe to later."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import handles

SETTLE_LOBBY = handles("groupbuy.settle_lobby", "chalicelib.growth.groupbuy.lobbies.service:settle_lobby", leased=False)
RESOLVE_ORDERS = handles("groupbuy.resolve_orders", "chalicelib.growth.groupbuy.lobbies.service:resolve_orders")
END_ACTIVITY = handles("groupbuy.end_activity", "chalicelib.growth.groupbuy.lottery.service:end_activity")
WRITE_PROOF = handles("groupbuy.write_proof", "chalicelib.growth.groupbuy.lottery.service:write_proof")
RESOLVE_ENTRIES = handles("groupbuy.resolve_entries", "chalicelib.growth.groupbuy.lottery.service:resolve_entries")
#: Of the version before, whose draws owed every order a job at once.
APPLY_RESULTS = handles("groupbuy.apply_results", "chalicelib.growth.groupbuy.lottery.service:apply_results")
APPLY_RESULT = handles("groupbuy.apply_result", "chalicelib.growth.groupbuy.lottery.service:apply_result")
GIVE_CONSOLATION = handles("groupbuy.give_consolation", "chalicelib.growth.groupbuy.lottery.service:give_consolation")
