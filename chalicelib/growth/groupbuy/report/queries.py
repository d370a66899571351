"""What an activity brought, by variant. Folded from its lobbies when asked: no sale pays for a counter."""

from __future__ import annotations

from chalicelib.growth.groupbuy.report.rules import Tally, wilson_bp
from chalicelib.growth.groupbuy.rules import Activity
from chalicelib.growth.groupbuy.tables import Lobbies, partitions
from chalicelib.platform.store import read


def tallies_of(activity: Activity) -> list[Tally]:
    """Count what the activity brought, for each variant, the control first; possibly a second old.

    Costs 0.5 RRU for some 25 lobbies.

    A lobby belongs to its leader's variant; a member who joins by a shared link may be of another, and pays the lobby's
    prices.
    """
    return [_of_variant(activity, name) for name in activity.variant_names]


def _of_variant(activity: Activity, variant: str) -> Tally:
    tally = Tally(variant=variant)
    for partition in partitions(activity, variant):
        after: read.Raw | None = None
        while True:
            page, after = read.query(Lobbies, partition, index=Lobbies.by_partition, after=after)
            for raw in page:
                _count(tally, raw)
            if after is None:
                break
    ended = tally.succeeded + tally.failed
    if ended:
        tally.success_bp, tally.success_low_bp, tally.success_high_bp = wilson_bp(tally.succeeded, ended)
    return tally


def _count(tally: Tally, raw: read.Raw) -> None:
    taken = int(raw["taken"]["N"])
    tally.opened += 1
    tally.joined += taken if raw.get("leader_left", {}).get("BOOL") else taken - 1
    tally.paid_fen += int(raw["paid_fen"]["N"])
    tally.succeeded += raw["position"]["S"].startswith("succeeded|")
    tally.failed += raw["position"]["S"].startswith("failed|")
