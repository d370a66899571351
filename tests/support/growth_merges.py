"""Two members of a small mall become one person, as far as growth goes: its steps, and what its books say."""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders import service as orders
from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock, ids
from chalicelib.customers.members import service as members
from chalicelib.customers.members.ports import DataOwner
from chalicelib.customers.members.rules import Address
from chalicelib.growth.distribution import personal_data as distribution
from chalicelib.growth.distribution.bindings.service import bind
from chalicelib.growth.distribution.checks import audit as audit_distribution
from chalicelib.growth.distribution.distributors import service as distributors
from chalicelib.growth.distribution.distributors.queries import find
from chalicelib.growth.distribution.rules import DistributorRecord
from chalicelib.growth.distribution.tables import BINDING, Commissions, Distributors
from chalicelib.growth.groupbuy import personal_data as groupbuy
from chalicelib.growth.groupbuy.checks import audit as audit_lobbies
from chalicelib.growth.payouts import personal_data as payouts
from chalicelib.growth.payouts.checks import audit_withdrawals
from chalicelib.ledger import queries as ledger_queries
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.ledger.checks import audit_balances
from chalicelib.platform.jobs.job import RetryLater
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from local.client import SHANGHAI
from tests.support import merging
from tests.support.distribution import bare_member
from tests.support.small_mall import DAY, SmallMall

#: The keepers of growth, in the order of their wings.
OWNERS: tuple[DataOwner, ...] = (*groupbuy.DATA_OWNERS, *distribution.DATA_OWNERS, *payouts.DATA_OWNERS)


#: A step that must wait for a withdrawal to end is left.
steps = functools.partial(merging.steps, OWNERS, waits=(RetryLater,))
absorb = functools.partial(merging.absorb, OWNERS, waits=(RetryLater,))
merge = functools.partial(merging.merge, OWNERS, waits=(RetryLater,))


def move_order(order: Order, member_id: str) -> None:
    """The order is moved, as the shop moves it."""

    def decide(before: Order, _: Any) -> Order:
        if before.member_id == member_id:
            return before
        return msgspec.structs.replace(before, member_id=member_id, placed_as=before.placed_by)

    orders.change(order.order_id, decide)
    assert order_queries.load(order.order_id).member_id == member_id


def growth_differences(mall: SmallMall) -> list[str]:
    """What the books of growth say: balances, commissions, ties, withdrawals, lobbies. Where a test lets somebody earn
    something without an order, that is no difference."""
    books = mall.books()
    moved = books.distribution.moved
    found = [
        *audit_balances(books.entries, books.accounts.balances, books.accounts.months),
        *audit_distribution(books.orders, books.entries, books.distribution),
        *audit_withdrawals(
            books.withdrawals, books.entries, books.transfers, books.allowances, books.payouts, books.at, moved
        ),
        *audit_lobbies(books.orders, books.lobbies, books.seats, books.terms.coupons, books.drawings, books.at, moved),
    ]
    assert sum(posting.amount_fen for entry in books.entries for posting in entry.postings) == 0
    return [f"{one.about}: {one.what}" for one in found if one.what != "pays commissions, and is no order"]


def has(*member_ids: str) -> tuple[int, int, int, int]:
    """What these members have together: pending, available, on its way, withdrawn."""
    sums = [msgspec.structs.astuple(ledger_queries.balance(member_id)) for member_id in member_ids]
    pending, available, withdrawing, withdrawn = (sum(each) for each in zip(*sums, strict=True))
    return pending, available, withdrawing, withdrawn


def record(member_id: str) -> DistributorRecord:
    """Them as a distributor, with what is counted."""
    return find(member_id).value


def tie(member_id: str) -> Any:
    """What the member is bound by, live or not; None where there is nothing."""
    return read.get(Distributors, member_id, BINDING)


def inviter(member_id: str) -> str | None:
    """Whom the member is bound to now."""
    item = tie(member_id)
    return item.binding.inviter if item is not None and item.binding.live(clock.now()) else None


def person(mall: SmallMall) -> str:
    """Somebody new, who can order."""
    member_id = bare_member()
    mall.addresses[member_id] = members.add_address(member_id, Address(address_id=ids.new("a"), **SHANGHAI)).address_id
    return member_id


def seller(mall: SmallMall, *, brings: int = 0, bound_to: str = "") -> tuple[str, list[str]]:
    """Somebody new who sells, and whom they have brought."""
    member_id = person(mall)
    if bound_to:
        assert bind(member_id, record(bound_to).distributor.invite_code) is not None
    code = distributors.apply(member_id).invite_code
    distributors.approve(member_id)
    customers = [person(mall) for _ in range(brings)]
    for customer in customers:
        assert bind(customer, code) is not None
    return member_id, customers


def completed(mall: SmallMall, customer: str, *lines: tuple[str, int]) -> Any:
    """They bought, received and kept it."""
    order = mall.deliver(mall.buy(customer, *lines))
    mall.wait(8 * DAY)
    return order


def same_again(mall: SmallMall, former: str, member_id: str) -> None:
    """All steps once more change nothing."""
    before = mall.books()
    absorb(former, member_id)
    after = mall.books()
    for part in ("entries", "accounts", "distribution", "withdrawals", "allowances", "seats", "drawings"):
        assert getattr(before, part) == getattr(after, part), part


def has_parts(member_id: str, kind: str) -> int:
    """How many parts of that kind stand under the member in distribution."""
    where = Distributors.part.startswith(kind)
    return sum(1 for _ in read.query_all(Distributors, member_id, where=where, consistent=True))


def commissions_of(member_id: str) -> list[Any]:
    """The commissions that stand under the member, by their keys."""
    return list(read.query_all(Commissions, member_id, index=Commissions.by_member))


def earn(member_id: str, fen: int) -> None:
    """They earn what can be withdrawn, of an order that is not there."""
    order_id = ids.new("o")
    for entry in (
        entries.earned(order_id, 1, member_id, clock.now(), fen),
        entries.released(order_id, 1, member_id, clock.now(), fen),
    ):
        tx = Transaction()
        ledger.post(tx, entry)
        tx.commit()
