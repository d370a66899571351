"""Reads of the leaderboard of a month."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import masked
from chalicelib.growth.distribution.distributors import queries as distributor_queries
from chalicelib.growth.distribution.distributors.queries import month_named, nicknames
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.distribution.tables import Distributors, board_shard, distributor_key, month_key, shards
from chalicelib.growth.distribution.views import Leaderboard, LeaderboardRow, MyRank
from chalicelib.ledger.rules import month
from chalicelib.platform.store import read

_BOARD_LENGTH = 20
#: So many of each shard of a leaderboard are looked at: a suspended distributor does not stand on it.
_BOARD_READ = 30


def leaderboard(member_id: str, asked: str | None) -> Leaderboard:
    """The best of a month by sales, this one where none is named. It may be a second old.

    Raises `not_found` where the mall has no leaderboard, for who never applied, and for what is no month up to now.
    """
    name = month_named(asked) if asked is not None else month(clock.now())
    if name is None or not DISTRIBUTION.current().leaderboard:
        raise MallError("not_found")
    distributor_queries.stored_distributor(member_id)
    rows, _ = read.ranked(
        Distributors, (board_shard(name, shard) for shard in shards()), index=Distributors.by_sales,
        along=Distributors.sales_fen, limit=_BOARD_READ,
    )  # fmt: skip
    best = [(raw["member_id"]["S"], sales) for raw in rows if (sales := int(raw["sales_fen"]["N"])) > 0]
    shown = _working([member for member, _ in best])
    best = [(member, sales) for member, sales in best if member in shown][:_BOARD_LENGTH]
    names = nicknames([member for member, _ in best])
    ranks = {member: 1 + sum(other > sales for _, other in best) for member, sales in best}
    own = read.get(Distributors, *month_key(member_id, name)[1], consistent=False)
    return Leaderboard(
        month=name,
        items=[
            LeaderboardRow(rank=ranks[member], nickname=masked(names[member]), sales_fen=sales)
            for member, sales in best
        ],
        mine=MyRank(rank=ranks.get(member_id), sales_fen=0 if own is None else int(own.sales_fen or 0)),
    )


def _working(member_ids: Sequence[str]) -> set[str]:
    """Those of them who are active distributors."""
    found = read.batch_get([distributor_key(member_id) for member_id in member_ids], consistent=False)
    return {item.member_id for item in found if item is not None and item.distributor.state == "active"}
