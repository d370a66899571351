"""A mall with one product and one group-buy, in which a play can be given again and again.

Each run starts from the same tables, the same clock and the same ids, so that what happened once happens again.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.commerce.catalogue.indexing import service as indexing
from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.products.inputs import SkuInput
from chalicelib.commerce.catalogue.tables import Products
from chalicelib.commerce.orders.jobs import STOCK_RETURNED
from chalicelib.commerce.orders.tables import Orders, Purchases, UnpaidOrders
from chalicelib.commerce.pricing import service as pricing_service
from chalicelib.commerce.pricing.freight.rules import FreightRule, FreightTemplate
from chalicelib.core import clock, ids, settings
from chalicelib.customers.members.rules import Address, Addresses, Profile
from chalicelib.customers.members.tables import ADDRESSES, PROFILE, Members
from chalicelib.growth.groupbuy.activities import service as activities
from chalicelib.growth.groupbuy.inputs import ActivityInput
from chalicelib.growth.groupbuy.rules import CONTROL, Activity, Kind, Lottery, Price, SetAside, Variant
from chalicelib.growth.groupbuy.tables import GroupActivities, Lobbies
from chalicelib.growth.segments.tables import MemberTraits, SegmentCounts, SegmentMembers
from chalicelib.ledger.tables import LedgerEntries
from chalicelib.platform.jobs import declarations, worker
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.tables import TABLES as JOB_TABLES
from chalicelib.platform.store.transaction import Transaction
from tests.support.owed import run_due
from tests.support.own_tables import Snapshot, own_tables, put_back, snapshot

MEMBERS = ("mA", "mB", "mC", "mD", "mE")
ADDRESS = "home"
FREIGHT_FEN, FREIGHT_MORE_FEN = 700, 100
#: For so long lobbies can be opened; a lobby lives for LOBBY_MINUTES.
ACTIVITY_MINUTES, LOBBY_MINUTES = 240, 30

_NOW = 1_795_226_400.0  # 2026-11-21 10:00 in Shanghai
_TABLES = (
    Orders, UnpaidOrders, Purchases, LedgerEntries, Lobbies, GroupActivities, *JOB_TABLES, Products,
    MemberTraits, SegmentMembers, SegmentCounts,
)  # fmt: skip

#: What a piece costs by the lobby's size (of a ladder: its step), for the leader and for others; fen.
Prices = dict[int, tuple[int, int]]


@dataclass(frozen=True)
class Setting:
    """The group-buy that is played. `variants` are shares in basis points and prices."""

    name: str
    kind: Kind
    prices: Prices
    variants: dict[str, tuple[int, Prices]] = field(default_factory=dict)
    stock: int = 500
    aside: int = 0
    freight: bool = False
    limit_per_member: int | None = None
    min_fill: int | None = None
    new_customers_only: bool = False
    lottery: Lottery | None = None

    def offer(self, variant: str) -> Prices:
        """Sizes and prices of a variant."""
        return self.prices if variant == CONTROL else self.variants[variant][1]

    def unit_fen(self, variant: str, size: int, leader: bool) -> int:
        """What a piece costs in a lobby of that size, or on that step."""
        return self.offer(variant)[size][0 if leader else 1]

    def goods_fen(self, variant: str, size: int, leader: bool, pieces: int) -> int:
        """What so many pieces cost there: the leader has one of them at the leader's price."""
        others = self.unit_fen(variant, size, False)
        return others * (pieces - 1) + self.unit_fen(variant, size, leader)

    def freight_fen(self, pieces: int) -> int:
        """What it costs to send so many."""
        return FREIGHT_FEN + (pieces - 1) * FREIGHT_MORE_FEN if self.freight else 0

    def least(self, variant: str, size: int) -> int:
        """With so many paid seats a lobby of that size succeeds at its expiry."""
        return min(self.offer(variant)) if self.kind == "ladder" else min(self.min_fill or size, size)


class Clock:
    """The mall's time; it stands still unless it is moved."""

    def __init__(self) -> None:
        self.seconds = _NOW

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Move it forward."""
        assert seconds >= 0
        self.seconds += seconds


class Ids:
    """Random ids that are the same in each run and in every process."""

    def __init__(self) -> None:
        self.drawn = 0

    def __call__(self, size: int) -> bytes:
        self.drawn += 1
        return hashlib.sha256(str(self.drawn).encode()).digest()[:size]


class Stage:
    """The mall of one setting, and where a play hooks in: before and after each commit, and where a job fails."""

    def __init__(self, setting: Setting, clock: Clock, drawn: Ids) -> None:
        self.setting = setting
        self.clock = clock
        self._ids = drawn
        self.before_commit: Callable[[], None] = _nothing
        self.committed: Callable[[list[dict[str, Any]]], None] = _nothing
        self.job_failed: Callable[[Exception], None] = _nothing
        self._before: Snapshot = Snapshot({table: {} for table in _TABLES})
        self.set()
        product = products.create(
            {
                "product_code": f"machine-{setting.name}", "name": "茶", "publish": True,
                "skus": [SkuInput(sku_code="A", price_fen=5000, stock=setting.stock)],
                "freight_template_id": "by-piece" if setting.freight else None,
            }
        ).product  # fmt: skip
        assert product is not None
        self.sku_id = product.skus[0].sku_id
        self.activity = activities.create(self._input(product.product_id))
        run_due()
        self._before = snapshot(_TABLES)

    def set(self) -> None:
        """Make everything as it was at first."""
        put_back(self._before)
        self.clock.seconds = _NOW
        self._ids.drawn = 0

    def _input(self, product_id: str) -> ActivityInput:
        setting = self.setting
        variants = [
            Variant(name=name, share_bp=share, sizes=list(prices), prices=self._prices(prices))
            for name, (share, prices) in setting.variants.items()
        ]
        now = clock.now()
        return ActivityInput(
            product_id=product_id, kind=setting.kind, sizes=list(setting.prices), prices=self._prices(setting.prices),
            lobby_minutes=LOBBY_MINUTES, starts_at=now, ends_at=now + timedelta(minutes=ACTIVITY_MINUTES),
            limit_per_member=setting.limit_per_member, min_fill=setting.min_fill,
            new_customers_only=setting.new_customers_only, variants=variants, lottery=setting.lottery,
            stock=[SetAside(sku_id=self.sku_id, pieces=setting.aside)] if setting.aside else [],
        )  # fmt: skip

    def _prices(self, prices: Prices) -> list[Price]:
        return [
            Price(sku_id=self.sku_id, size=size, price_fen=others, leader_price_fen=leader)
            for size, (leader, others) in prices.items()
        ]

    def variant_of(self, member_id: str) -> str:
        """The variant that this member is offered."""
        activity: Activity = self.activity
        return activity.variant_of(member_id)


@contextlib.contextmanager
def stages() -> Iterator[Callable[[Setting], Stage]]:
    """Makes stages, in tables of their own. The engine must run."""
    held, drawn = Clock(), Ids()
    clock_before, environment = clock.use(held), settings._environment
    ids.use(drawn)
    # One shard of each kind: the fewer are asked, the more runs there are in a minute.
    settings.use({**environment, "YUTANG_JOB_SHARDS": "1", "YUTANG_MANY_SHARDS": "1", "YUTANG_LOBBY_SHARDS": "1"})
    stage: Stage | None = None

    def make(setting: Setting) -> Stage:
        nonlocal stage
        stage = None
        made = stage = Stage(setting, held, drawn)
        return made

    commit, failed = Transaction.commit, worker._failed

    def hooked_commit(tx: Transaction) -> None:
        if stage is not None:
            stage.before_commit()
        ids.use(secrets.token_bytes)  # with a token that it had before, a transaction is taken for done
        try:
            commit(tx)
        finally:
            ids.use(drawn)
        if stage is not None:
            stage.committed(tx._actions)

    def hooked_failed(job: Job, fault: Exception) -> None:
        if stage is not None:
            stage.job_failed(fault)
        failed(job, fault)

    try:
        with own_tables("machine"), pytest.MonkeyPatch.context() as patch:
            patch.setattr(Transaction, "commit", hooked_commit)
            patch.setattr(worker, "_failed", hooked_failed)
            # Nobody counts what was sold, nor lists products anew: that is not what is played, and a third of the work.
            returned = {STOCK_RETURNED.name: declarations.subscribers_of(STOCK_RETURNED.name)}
            patch.setattr(declarations, "_subscribers", returned)
            patch.setattr(indexing, "_reindex_soon", lambda tx, products: None)
            _people()
            yield make
    finally:
        settings.use(environment)
        clock.use(clock_before)
        ids.use(secrets.token_bytes)


def _people() -> None:
    """The members with an address each, and the freight."""
    address = Address(
        address_id=ADDRESS, name="林小鱼", phone="13800000000", region_code="310115", province="上海市", city="市辖区",
        district="浦东新区", detail="世纪大道 1 号", is_default=True,
    )  # fmt: skip
    tx = Transaction()
    for member_id in MEMBERS:
        profile = Profile(member_id=member_id, openid=f"o-{member_id}", joined_at=clock.now())
        tx.create(Members(member_id, PROFILE, profile=profile, version=1))
        tx.create(Members(member_id, ADDRESSES, addresses=Addresses([address]), version=1))
    tx.commit()
    rule = FreightRule(first_fen=FREIGHT_FEN, further_fen=FREIGHT_MORE_FEN)
    pricing_service.put("by-piece", FreightTemplate(name="按件", rules=[rule]))


def _nothing(*_: object) -> None:
    pass
