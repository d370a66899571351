"""A mall for random play: empty tables, clock and ids of its own, a shop that is drawn, and where a play hooks in.

What is drawn is kept here in the play's own words, for the formulas that the mall is held against.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.catalogue.indexing import service as indexing
from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.products.inputs import ProductInput, SkuInput
from chalicelib.commerce.coupons.inputs import TemplateInput
from chalicelib.commerce.coupons.templates import service as templates
from chalicelib.commerce.orders.settings import ORDERS, OrderRules
from chalicelib.commerce.pricing import service as pricing
from chalicelib.commerce.pricing.freight.rules import FreightTemplate
from chalicelib.commerce.pricing.promotions.rules import Promotion
from chalicelib.commerce.pricing.settings import PRICING, PricingRules
from chalicelib.core import clock, ids, settings
from chalicelib.customers.members.rules import Address, Addresses, Profile
from chalicelib.customers.members.tables import ADDRESSES, PROFILE, Identities, Members, mini_identity
from chalicelib.growth.distribution.bindings.service import bind
from chalicelib.growth.distribution.distributors import service as distributors
from chalicelib.growth.distribution.rules import DistributionRules
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.payouts.rules import WithdrawalRules
from chalicelib.growth.payouts.settings import WITHDRAWALS
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.store import tools
from chalicelib.platform.store.transaction import Transaction
from tests.support.group_stage import Clock
from tests.support.own_tables import Snapshot, put_back
from tests.support.random_prices import Shop

MEMBERS = tuple(f"m{number}" for number in range(9))
#: Members who share, each brought by the one before; and who brought the others. m7 and m8 came by themselves.
SELLERS = MEMBERS[:3]
INVITED = {"m1": "m0", "m2": "m1", "m3": "m2", "m4": "m2", "m5": "m1", "m6": "m0"}
ADDRESS = "home"
FOREVER = timedelta(days=3650)


@dataclass(frozen=True)
class Sku:
    """What is sold. `limit` is how many pieces a member may buy in all."""

    sku_id: str
    product_id: str
    price: int
    supplied: int
    template: str
    commission_bp: int | None
    limit: int | None = None


@dataclass
class Drawn:
    """The mall as it was drawn; coupon templates and promotions in the play's own words, by id."""

    shop: Shop
    rules: dict[str, Any]
    #: Whether a refund after which the rest would cost more is granted less that, not asked for.
    deducts: bool = False
    skus: dict[str, Sku] = field(default_factory=dict)
    templates: dict[str, dict[str, Any]] = field(default_factory=dict)
    promotions: dict[str, dict[str, Any]] = field(default_factory=dict)

    def running(self) -> list[dict[str, Any]]:
        """The promotions, as they are now."""
        return list(self.promotions.values())


class Ids:
    """Random ids that are the same each time a mall is played."""

    def __init__(self, name: str) -> None:
        self._name, self._drawn = name, 0

    def __call__(self, size: int) -> bytes:
        self._drawn += 1
        return hashlib.sha256(f"{self._name}|{self._drawn}".encode()).digest()[:size]


@dataclass
class Hooks:
    """Called before each commit, and after it with its actions; and where a job fails."""

    before_commit: Callable[[], None] = lambda: None
    committed: Callable[[list[dict[str, Any]]], None] = lambda _: None
    job_failed: Callable[[Job, Exception], None] = lambda *_: None


@contextlib.contextmanager
def stage(name: str, chance: random.Random) -> Iterator[tuple[Drawn, Clock, Hooks]]:
    """A mall of that name, in the tables of this process, which are made empty first: that is quicker than new ones."""
    held, drawn, hooks = Clock(), Ids(name), Hooks()
    clock_before, environment = clock.use(held), settings._environment
    ids.use(drawn)
    state = random.getstate()
    random.seed(name)  # jitter
    shards = ("JOB", "ORDER", "LOBBY", "MEMBER", "DISTRIBUTION")
    settings.use({**environment, **{f"YUTANG_{each}_SHARDS": "1" for each in shards}})
    commit, failed = Transaction.commit, worker._failed

    def hooked_commit(tx: Transaction) -> None:
        hooks.before_commit()
        ids.use(secrets.token_bytes)  # with a token that it had before, a transaction is taken for done
        try:
            commit(tx)
        finally:
            ids.use(drawn)
        hooks.committed(tx._actions)

    def hooked_failed(job: Job, fault: Exception) -> None:
        hooks.job_failed(job, fault)
        failed(job, fault)

    try:
        put_back(Snapshot({table: {} for table in tools.tables()}))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Transaction, "commit", hooked_commit)
            patch.setattr(worker, "_failed", hooked_failed)
            patch.setattr(indexing, "_reindex_soon", lambda tx, products: None)  # half of the work, and not played
            yield _opened(chance), held, hooks
    finally:
        settings.use(environment)
        clock.use(clock_before)
        ids.use(secrets.token_bytes)
        random.setstate(state)


def _opened(chance: random.Random) -> Drawn:
    """Open a shop that is drawn."""
    free_from = chance.choice([None, 20_000, 40_000])
    freight = {"default": (2, 800, 1, 300, free_from), "heavy": (1, 1200, 2, 500, None)}
    for template_id, (first, first_fen, further, further_fen, free) in freight.items():
        rule = {"first": first, "first_fen": first_fen, "further": further, "further_fen": further_fen}
        rule |= {} if free is None else {"free_from_fen": free}
        pricing.put(template_id, msgspec.convert({"name": template_id, "rules": [rule]}, FreightTemplate))
    floor_bp = chance.choice([0, 0, 2500])
    PRICING.change(PricingRules(floor_bp=floor_bp))
    mall = Drawn(Shop(freight, floor_bp), _distribution(chance))
    WITHDRAWALS.change(WithdrawalRules(review_from_fen=chance.choice([None, 3000, 100_000]), per_day=100))
    if chance.random() < 0.3 and "conditions_lost" in OrderRules.__struct_fields__:
        mall.deducts = True
        ORDERS.change(msgspec.convert({"conditions_lost": "deduct"}, OrderRules))
    for number in range(6):
        _product(mall, chance, number)
    for _ in range(chance.randint(2, 5)):
        promote(mall, chance)
    _coupons(mall, chance)
    _people(mall)
    return mall


def _distribution(chance: random.Random) -> dict[str, Any]:
    levels = chance.choice([1, 2, 2, 2])
    rules: dict[str, Any] = {
        "enabled": True, "levels": levels, "rates_bp": [chance.choice([500, 1500, 3000]), chance.choice([300, 700])],
        "freeze_days": chance.choice([0, 3, 10]), "order_cap_bp": chance.choice([5000, 5000, 2000, 1000]),
        "self_purchase": chance.random() < 0.3, "approval": "open",
    }  # fmt: skip
    if chance.random() < 0.3:
        rules["order_cap_fen"] = 900
    if chance.random() < 0.4:
        rules["tiers"] = [
            {"tier_id": "silver", "name": "银", "rates_bp": [2500, 900], "sales_fen": 60_000, "reward_fen": 500},
            {"tier_id": "gold", "name": "金", "rates_bp": [3500], "orders": 12, "reward_fen": 77},
        ]
    DISTRIBUTION.change(msgspec.convert(rules, DistributionRules))
    return rules


def _product(mall: Drawn, chance: random.Random, number: int) -> None:
    stock = 12 if number == 0 else chance.choice([60, 900])
    prices = [chance.choice([chance.randint(50, 900), chance.randint(1000, 9999), chance.randint(9000, 30_000)])]
    prices += [chance.randint(100, 9999)] * (number == 1)
    template, rate = chance.choice(["default", "default", "heavy"]), [None, None, 4000, 350, 0, None][number]
    limit = 12 if number == 5 and "limit_per_member" in ProductInput.__struct_fields__ else None
    fields: dict[str, Any] = {
        "product_code": f"p{number}", "name": f"货{number}", "publish": True, "freight_template_id": template,
        "skus": [
            SkuInput(sku_code=f"s{index}", specs={"款": str(index)}, price_fen=fen, stock=stock)
            for index, fen in enumerate(prices)
        ],
        "commission_bp": rate,
    }  # fmt: skip
    made = products.create(fields if limit is None else fields | {"limit_per_member": limit}).product
    assert made is not None
    for sku in made.skus:
        mall.skus[sku.sku_id] = Sku(
            sku.sku_id, made.product_id, sku.price_fen, stock, template, rate, limit
        )  # fmt: skip


def promote(mall: Drawn, chance: random.Random) -> str:
    """Put a promotion, or another one in place of one; its id."""
    promotion_id = f"pr{chance.randint(0, 6)}"
    kind = chance.choice(["new_customer_price", "bundle", "add_on", "pieces_percent", "threshold_off", "threshold_off"])
    skus = chance.sample(sorted(mall.skus), 3)
    cheap = {s: mall.skus[s].price * chance.choice([0, 3, 7]) // 10 for s in skus[:2]}
    of = sorted({sku.product_id for sku in mall.skus.values()})
    now = clock.now()
    until = now + chance.choice([timedelta(hours=3), timedelta(days=2), FOREVER, FOREVER])
    mine: dict[str, Any] = {
        "id": promotion_id, "kind": kind, "priority": chance.randint(0, 2), "from": now - timedelta(days=1),
        "until": until, "products": chance.choice([[], [], chance.sample(of, 3)]),
        "excluded": chance.choice([[], [], of[:1]]),
    }  # fmt: skip
    wire: dict[str, Any] = {
        "kind": kind, "name": promotion_id, "priority": mine["priority"], "starts_at": mine["from"], "ends_at": until,
        "scope": {"products": mine["products"], "excluded_products": mine["excluded"]},
    }  # fmt: skip
    told = [{"sku_id": sku_id, "price_fen": fen} for sku_id, fen in cheap.items()]
    if kind == "new_customer_price":
        mine["prices"], wire["prices"] = cheap, told
    elif kind == "add_on":
        mine |= {"prices": cheap, "limit": chance.randint(1, 3), "threshold": chance.choice([1, 3000, 9000])}
        wire |= {"prices": told, "limit": mine["limit"], "threshold_fen": mine["threshold"]}
    elif kind == "bundle":
        mine["pieces"] = {sku_id: chance.randint(1, 2) for sku_id in skus[:2]}
        mine["price"] = sum(mall.skus[s].price * n for s, n in mine["pieces"].items()) * chance.choice([6, 8]) // 10
        wire |= {"pieces": [{"sku_id": s, "quantity": n} for s, n in mine["pieces"].items()]}
        wire["price_fen"] = mine["price"]
    elif kind == "pieces_percent":
        mine["tiers"] = [(2, 7), (4, chance.choice([15, 33]))]
        wire["tiers"] = [{"pieces": least, "percent_off": off} for least, off in mine["tiers"]]
    else:
        mine |= {"tiers": [(5000, 499), (15_000, 1777)], "every": chance.random() < 0.3}
        tiers = [{"threshold_fen": least, "off_fen": off} for least, off in mine["tiers"]]
        wire |= {"tiers": tiers, "every": mine["every"]}
    pricing.put_promotion(promotion_id, msgspec.convert(wire, Promotion))
    mall.promotions[promotion_id] = mine
    return f"{promotion_id} {kind}"


def _coupons(mall: Drawn, chance: random.Random) -> None:
    """Templates of every kind and place; one that comes back from no refund, one of which there are few."""
    of = sorted({sku.product_id for sku in mall.skus.values()})
    made: list[dict[str, Any]] = [
        {"kind": "amount_off", "amount_fen": 500, "threshold_fen": 2000},
        {"kind": "amount_off", "amount_fen": 3000, "threshold_fen": 10_000, "returns": False},
        {"kind": "percent_off", "percent_off": 20, "ceiling_fen": chance.choice([None, 1500])},
        {"kind": "percent_off", "percent_off": 10, "stacking": "extra", "scope": {"products": chance.sample(of, 3)}},
        {"kind": "exchange", "amount_fen": 100, "scope": {"products": chance.sample(of, 2)}},
        {"kind": "amount_off", "amount_fen": 77, "stacking": "extra", "total": 9},
        {"kind": "free_shipping", "ceiling_fen": chance.choice([None, 600])},
    ]
    for terms in made:
        fields = {"name": "券", "total": 200, "limit_per_member": 5, "valid": {"days": chance.choice([2, 30])}} | terms
        fields["how"] = ["claim", "grant"]
        template = templates.create(msgspec.convert(fields, TemplateInput))
        mall.templates[template.template_id] = fields


def home() -> Address:
    """Where everybody lives."""
    return Address(
        address_id=ADDRESS, name="林", phone="13800000000", region_code="310115", province="上海市", city="市辖区",
        district="浦东新区", detail="世纪大道 1 号", is_default=True,
    )  # fmt: skip


def _people(mall: Drawn) -> None:
    address = home()
    for member_id in MEMBERS:
        tx = Transaction()
        profile = Profile(member_id=member_id, openid=f"o-{member_id}", joined_at=clock.now())
        tx.create(Members(member_id, PROFILE, profile=profile, version=1))
        tx.create(Members(member_id, ADDRESSES, addresses=Addresses([address]), version=1))
        tx.create(Identities(mini_identity(settings.settings().wechat_appid, profile.openid), member_id=member_id))
        tx.commit()
    codes = {member_id: distributors.apply(member_id).invite_code for member_id in SELLERS}
    for member_id, inviter in INVITED.items():
        assert bind(member_id, codes[inviter]) is not None, mall.rules


def chain(mall: Drawn, member_id: str) -> list[str]:
    """Whom an order of this member pays, from level 1 up."""
    found = [member_id] if mall.rules["self_purchase"] and member_id in SELLERS else []
    above = INVITED.get(member_id)
    while above is not None:
        found.append(above)
        above = INVITED.get(above)
    return found[: mall.rules["levels"]]


def moment(days: float) -> datetime:
    """An instant so many days from now."""
    return clock.now() + timedelta(days=days)
