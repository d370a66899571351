"""`make audit`: read all of a mall (orders, entries, balances, stock, coupons, commissions, lobbies, withdrawals,
segments, members, messages) and compare it.

    python -m tools.audit                                     the mall that `make run` opened, and the sandbox's books
    python -m tools.audit --tables PREFIX --region REGION     a deployed mall, or a copy that was restored

The second finds its AWS credentials where every AWS client does, and only reads. The exit status is 1 when something
does not agree, and every difference is named. Whole tables are read, into memory.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
import requests
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.commerce.coupons.checks import Received, Shard
from chalicelib.commerce.coupons.checks import audit as audit_templates
from chalicelib.commerce.coupons.rules import Figures, Held, Template
from chalicelib.commerce.orders.checks import (
    Counted,
    PaidRefund,
    Payment,
    Stock,
    Terms,
    audit,
    audit_coupons,
    coupon_uses,
)
from chalicelib.commerce.orders.holding.checks import Kept
from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock, settings
from chalicelib.core.difference import Difference
from chalicelib.core.errors import MallError
from chalicelib.customers.members.checks import Records as MemberRecords
from chalicelib.customers.members.checks import audit as audit_members
from chalicelib.growth.distribution.checks import Records
from chalicelib.growth.distribution.checks import audit as audit_distribution
from chalicelib.growth.groupbuy.checks import audit as audit_lobbies
from chalicelib.growth.groupbuy.lottery.checks import Drawing
from chalicelib.growth.groupbuy.rules import Lobby, SeatItem
from chalicelib.growth.journeys.checks import Records as JourneyRecords
from chalicelib.growth.journeys.checks import audit as audit_journeys
from chalicelib.growth.messaging.checks import Records as MessageRecords
from chalicelib.growth.messaging.checks import audit as audit_messages
from chalicelib.growth.payouts.checks import Transfer, audit_withdrawals
from chalicelib.growth.payouts.limits.rules import Allowance
from chalicelib.growth.payouts.rules import Withdrawal, WithdrawalRules
from chalicelib.growth.segments.checks import Records as SegmentRecords
from chalicelib.growth.segments.checks import audit as audit_segments
from chalicelib.ledger.checks import audit_balances
from chalicelib.ledger.rules import Balance, Entry, Month
from local.clock import LocalClock
from local.mall import running
from local.processes import StartError
from tools import growth_books

#: Between two looks: a callback that is under way has arrived by then.
_AGAIN_SECONDS = 2.0
#: So long after it was due a job must have been begun.
_JOB_LATE = timedelta(hours=1)


class Accounts(msgspec.Struct, frozen=True):
    """What members' accounts stand at, and what came and went by month."""

    balances: dict[str, Balance]
    months: dict[str, list[Month]]


class Books(msgspec.Struct, frozen=True):
    """All that is compared, as it was `at`; None where no job is run, so that nothing is overdue. `payments`, `refunds`
    and `transfers` are WeChat's, None where it was not asked. `jobs` are those that are dead, or should long have been
    done."""

    at: datetime | None

    orders: list[Order]
    entries: list[Entry]
    stocks: list[Stock]
    lobbies: list[Lobby]
    seats: list[tuple[str, SeatItem]]
    coupons: list[Held]
    templates: list[Template]
    shards: list[Shard]
    received: list[Received]
    unpaid: dict[str, Counted]
    accounts: Accounts
    distribution: Records
    drawings: list[Drawing]
    segments: SegmentRecords
    members: MemberRecords
    messages: MessageRecords
    terms: Terms
    payments: list[Payment] | None = None
    refunds: list[PaidRefund] | None = None
    withdrawals: list[Withdrawal] = []
    allowances: dict[str, Allowance] = {}
    transfers: list[Transfer] | None = None
    payouts: Mapping[int, WithdrawalRules | None] = {}
    jobs: list[Difference] = []
    journeys: JourneyRecords = JourneyRecords()

    def differences(self) -> list[Difference]:
        """Everything that does not agree."""
        money = audit(
            self.orders, self.entries, self.stocks, self.payments, self.refunds, self.unpaid, self.terms, self.at
        )  # fmt: skip
        coupons = self.terms.coupons
        moved = self.distribution.moved
        seats = audit_lobbies(self.orders, self.lobbies, self.seats, coupons, self.drawings, self.at, moved)
        uses = coupon_uses(self.orders, self.coupons)
        counted = audit_templates(self.templates, self.shards, self.received, self.coupons, uses)
        owed = audit_balances(self.entries, self.accounts.balances, self.accounts.months)
        commissions = audit_distribution(self.orders, self.entries, self.distribution)
        paid_out = audit_withdrawals(
            self.withdrawals, self.entries, self.transfers, self.allowances, self.payouts, self.at, moved
        )  # fmt: skip
        members = owed + commissions + paid_out
        return (
            money
            + seats
            + audit_coupons(self.orders, self.coupons)
            + counted
            + members
            + audit_segments(self.segments, self.at)
            + audit_journeys(self.journeys)
            + audit_members(self.members)
            + audit_messages(self.messages, self.at)
            + (self.jobs if self.at else [])
        )


def main() -> int:
    """Audit the mall that is named; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description="Audits a mall; nothing is changed.")
    parser.add_argument(
        "--prefix",
        default=os.environ.get("YUTANG_TABLE_PREFIX") or "yutang-",
        help="of the running mall's tables, where it is not make run's",
    )
    parser.add_argument("--tables", metavar="PREFIX", help="a deployed mall's or a copy's: what its tables begin with")
    parser.add_argument("--region", help="where those are")
    given = parser.parse_args()
    if (given.tables is None) != (given.region is None):
        parser.error("--tables and --region belong together")
    try:
        if given.tables is not None:
            return int(not agrees({"YUTANG_TABLE_PREFIX": given.tables, "AWS_REGION": given.region}, None))
        mall = running(given.prefix)
        clock.use(LocalClock(mall.data / "clock"))
        return int(not agrees(mall.environment, mall.sandbox_url))
    except StartError as fault:
        print(f"audit: {fault}", file=sys.stderr)
    except (ClientError, BotoCoreError, MallError) as fault:  # MallError: from what the client raised
        print(
            f"audit: the tables {given.tables or given.prefix}* cannot be read: {fault.__cause__ or fault}",
            file=sys.stderr,
        )
    return 1


def agrees(environment: Mapping[str, str], sandbox_url: str | None) -> bool:
    """Print what was compared and every difference; whether there is none. Once in a process, which is then the mall's.

    Shoppers go on while it reads, one table after the other: what differs is looked at again, and named if it stays.
    """
    assert "chalicelib.platform.store.base" not in sys.modules, "tables have their names already"
    os.environ.update(environment)
    settings.use(os.environ)
    books = read(sandbox_url)
    found = books.differences()
    if found:
        time.sleep(_AGAIN_SECONDS)
        books = read(sandbox_url)
        found = [one for one in books.differences() if one in found]
    compared = (
        f"compared {len(books.orders)} orders, {len(books.entries)} journal entries, {len(books.stocks)} stocks, "
        f"{len(books.lobbies)} lobbies, {len(books.coupons)} coupons of {len(books.templates)} templates, "
        f"{len(books.accounts.balances)} balances, {len(books.distribution.commissions)} commissions, "
        f"{len(books.withdrawals)} withdrawals, {len(books.segments.rows)} places in segments, "
        f"{len(books.messages.messages)} messages, "
        f"{len(books.journeys.runs)} runs of journeys"
    )
    if books.payments is not None:
        compared += f", {len(books.payments)} payments, {len(books.refunds or [])} refunds"
        compared += f" and {len(books.transfers or [])} transfers in WeChat's books"
    print(compared)
    for one in found:
        print(f"  {one.about}: {one.what}")
    print(f"{len(found)} differences" if found else "no difference")
    return not found


def differences(sandbox_url: str | None) -> list[Difference]:
    """Audit the mall that the environment names."""
    return read(sandbox_url).differences()


def read(sandbox_url: str | None) -> Books:
    """The books of the mall that the environment names, and WeChat's where a sandbox is given."""
    from chalicelib.commerce.catalogue.tables import POOL, STOCK, Products
    from chalicelib.commerce.coupons.tables import (
        COUPON,
        RECEIVED,
        CouponCounters,
        Coupons,
        CouponTemplates,
        carried_of,
        held,
        received_of,
    )
    from chalicelib.commerce.orders.tables import Orders
    from chalicelib.growth.groupbuy.tables import LOBBY, Lobbies, lobby_of, seat_of
    from chalicelib.growth.payouts.settings import WITHDRAWALS
    from chalicelib.growth.payouts.tables import Withdrawals, withdrawals_and_allowances
    from chalicelib.ledger.tables import LedgerEntries
    from chalicelib.platform.store import tools

    seats = list(tools.scan(Lobbies))
    of_members = list(tools.scan(Coupons))
    withdrawals, allowances = withdrawals_and_allowances(tools.scan(Withdrawals))
    coupons = [held(item) for item in of_members if item.part.startswith(COUPON)]
    orders = [item.order for item in tools.scan(Orders)]
    books = Books(
        at=clock.now(),
        orders=orders,
        unpaid=_unpaid(),
        entries=[item.entry for item in tools.scan(LedgerEntries)],
        stocks=[_stock(item) for item in tools.scan(Products) if item.part.startswith((STOCK, POOL))],
        lobbies=[lobby_of(item) for item in seats if item.part == LOBBY],
        seats=[(item.lobby_id, seat_of(item)) for item in seats if item.part != LOBBY],
        coupons=coupons,
        templates=[item.template for item in tools.scan(CouponTemplates)],
        shards=[shard for item in tools.scan(CouponCounters) if (shard := _shard(item)) is not None],
        received=[
            Received(item.member_id, item.part.removeprefix(RECEIVED), received_of(item) - carried_of(item))
            for item in of_members
            if item.part.startswith(RECEIVED)
        ],
        accounts=_accounts(),
        distribution=growth_books.distribution(),
        drawings=growth_books.drawings(),
        segments=growth_books.segments(coupons, orders),
        journeys=growth_books.journeys(),
        members=growth_books.members(),
        messages=growth_books.messages(),
        terms=_terms(coupons),
        payouts={version: rules for version, (rules, _) in WITHDRAWALS.history().items()},
        jobs=_jobs(),
        withdrawals=withdrawals,
        allowances=allowances,
    )
    if sandbox_url is None:
        return books
    told = requests.get(f"{sandbox_url}/_control/ledger", timeout=10).json()
    paid_out = [one for one in told["refunds"] if one["state"] == "SUCCESS"]
    return msgspec.structs.replace(
        books,
        payments=msgspec.convert(told["payments"], list[Payment]),
        refunds=msgspec.convert(paid_out, list[PaidRefund]),
        transfers=msgspec.convert(told["transfers"], list[Transfer]),
    )


def _unpaid() -> dict[str, Counted]:
    """What is counted and kept of each member's orders."""
    from chalicelib.commerce.orders.tables import Purchases, UnpaidOrders
    from chalicelib.platform.store import tools

    pieces: dict[str, dict[str, int]] = defaultdict(dict)
    for has in tools.scan(Purchases):
        pieces[has.member_id][has.product_id] = int(has.pieces) - int(has.carried or 0)
    items: dict[str, Any] = {item.member_id: item for item in tools.scan(UnpaidOrders)}
    found: dict[str, Counted] = {}
    for member_id in items.keys() | pieces.keys():
        item = items.get(member_id)
        sets = {name: frozenset(getattr(item, name, None) or ()) for name in ("held", "let_go", "bought")}
        kept = Kept(**sets, pieces=pieces.get(member_id, {}))
        found[member_id] = Counted(int(item.orders), item.newcomer or "", kept) if item else Counted(0, kept=kept)
    return found


def _accounts() -> Accounts:
    from chalicelib.ledger import queries as ledger_queries
    from chalicelib.ledger.tables import NOW, Balances
    from chalicelib.platform.store import tools

    balances: dict[str, Balance] = {}
    months: dict[str, list[Month]] = defaultdict(list)
    for raw in tools.scan_raw(Balances):
        member_id = raw["member_id"]["S"]
        if raw["part"]["S"] == NOW:
            balances[member_id] = ledger_queries.balance_of(Balances.from_raw_data(raw))
        else:
            months[member_id].append(ledger_queries.month_of(raw))
    return Accounts(balances, months)


def _terms(coupons: list[Held]) -> Terms:
    """What orders were placed under: every version of each promotion that was kept."""
    from chalicelib.commerce.pricing.settings import PRICING
    from chalicelib.commerce.pricing.tables import Pricing
    from chalicelib.platform.store import tools

    kept: list[tuple[Any, Any]] = [(one.promotion, one.version) for one in tools.scan(Pricing)]
    return Terms(
        coupons={one.coupon.coupon_id: one for one in coupons},
        promotions={(one.promotion_id, int(version)): one.promotion for one, version in kept if one and version},
        floor_bp=max(rules.floor_bp for rules, _ in PRICING.history().values()),
        merged=growth_books.moved(),
    )


def _jobs() -> list[Difference]:
    """The jobs that failed for good, and those that nobody has begun though they were due long ago."""
    from chalicelib.platform.jobs.tables import DEAD, TABLES
    from chalicelib.platform.store import tools

    found: list[Difference] = []
    late = clock.stamp(clock.now() - _JOB_LATE)
    for job in (job for table in TABLES for job in tools.scan(table)):
        about = f"{job.task.kind} {job.task.key}"
        if job.shard == DEAD:
            found.append(Difference(about, f"the job is dead: {job.task.last_error}"))
        elif job.due < late:
            found.append(Difference(about, f"the job was due at {job.due.partition('|')[0]}, and nobody has begun it"))
    return found


def _stock(item: Any) -> Stock:
    """A SKU's stock, or a pool of it ("pool#<sku>#<pool>")."""
    _, sku_id, *pool = item.part.split("#")
    return Stock(sku_id, int(item.free), int(item.taken), int(item.supplied), pool[0] if pool else "")


def _shard(item: Any) -> Shard | None:
    """A counter of a template ("stock#<template>#<shard>", "used#..."); None for one of wrong codes."""
    kind, template_id, number = item.counter.split("#")
    if kind not in ("stock", "used"):
        return None
    said = {"left": item.free, "issued": item.issued, "used": item.used, "off_fen": item.off_fen}
    figures = Figures(**{name: int(value or 0) for name, value in (said | {"paid_fen": item.paid_fen}).items()})
    return Shard(template_id=template_id, number=int(number), kind=kind, figures=figures)


if __name__ == "__main__":
    sys.exit(main())
