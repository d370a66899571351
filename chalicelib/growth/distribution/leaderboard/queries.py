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

#: How many distributors stand on a leaderboard.
_BOARD_LENGTH = 20
#: How many of each shard of a leaderboard are read: a suspended distributor does not stand on it.
_BOARD_READ = 30


def leaderboard(member_id: str, asked: str | None) -> Leaderboard:
    """Rank the best of a month by sales, of this one where none is named. It may be a second old.

    Raises `not_found` where the mall has no leaderboard, for a member who never applied, and for what is no month up to
    now.
    """
    name = month_named(asked) if asked is not None else month(clock.now())
    if name is None or not DISTRIBUTION.current().leaderboard:
        raise MallError("not_found")
    distributor_queries.load(member_id)
    best = _best(name)
    ranks = _ranks(best)
    names = nicknames([member for member, _ in best])
    own = read.get(Distributors, *month_key(member_id, name)[1], consistent=False)
    rows = [
        LeaderboardRow(rank=ranks[member], nickname=masked(names[member]), sales_fen=sales) for member, sales in best
    ]
    own_sales = 0 if own is None else int(own.sales_fen or 0)
    return Leaderboard(month=name, items=rows, mine=MyRank(rank=ranks.get(member_id), sales_fen=own_sales))


def _best(name: str) -> list[tuple[str, int]]:
    """Read the active distributors who have sold most in a month, with their sales in fen, the best first."""
    rows, _ = read.ranked(
        Distributors, (board_shard(name, shard) for shard in shards()), index=Distributors.by_sales,
        along=Distributors.sales_fen, limit=_BOARD_READ,
    )  # fmt: skip
    sold = [(raw["member_id"]["S"], sales) for raw in rows if (sales := int(raw["sales_fen"]["N"])) > 0]
    active = _active([member for member, _ in sold])
    return [(member, sales) for member, sales in sold if member in active][:_BOARD_LENGTH]


def _ranks(best: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Rank them by their sales: equal sales share a rank."""
    return {member: 1 + sum(other > sales for _, other in best) for member, sales in best}


def _active(member_ids: Sequence[str]) -> set[str]:
    """Read which of these members are active distributors."""
    found = read.batch_get([distributor_key(member_id) for member_id in member_ids], consistent=False)
    return {item.member_id for item in found if item is not None and item.distributor.state == "active"}
