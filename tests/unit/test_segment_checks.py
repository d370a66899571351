"""The audit of segments: books that agree have no difference, and each that is planted is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.orders.rules import Event as OrderEvent
from chalicelib.commerce.orders.rules import Order
from chalicelib.customers.events.rules import Event
from chalicelib.customers.members.rules import Birthday, LifeCycleRules, Profile, Source
from chalicelib.growth.segments.checks import Count, Known, Records, Row, audit
from chalicelib.growth.segments.definitions.rules import Definition
from chalicelib.growth.segments.evaluation.checks import Law, Person, is_inside
from chalicelib.growth.segments.traits.rules import Person as Trait
from chalicelib.growth.segments.traits.rules import Tag, Traits
from tests.support.orders import line, order

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
AT = round(NOW.timestamp() * 1000)
DAY = 86_400_000
JOINED = NOW - timedelta(days=10)
VIEWED = {"event": "cart_view", "within_days": 2, "op": ">=", "count": 1}


def definition(segment_id: str, rule: Any, **more: Any) -> Definition:
    given: dict[str, Any] = {"name": segment_id, "generation": 1, "made_at": JOINED, "changed_at": JOINED} | more
    return Definition(segment_id=segment_id, rule=rule, **given)


def bought(fen: int, ago: timedelta, completed: timedelta | None = None, **more: Any) -> Order:
    """An order paid so long ago, and completed."""
    made = order(line("s", 1, fen), state="awaiting_shipment" if completed is None else "completed")
    events = [] if completed is None else [OrderEvent(NOW - completed, "completed", "system")]
    return msgspec.structs.replace(made, paid_at=NOW - ago, history=events, **more)


def profile(**more: Any) -> Profile:
    return Profile(**{"member_id": "m", "openid": "o", "joined_at": JOINED} | more)


PERSON = Person(profile=profile(tags=["vip"]), events=[Event("e", "cart_view", NOW - timedelta(days=1))])
TRAITS = Traits(
    member_id="m", person=Trait(joined_at=AT - 10 * DAY), inside={"new": AT - 10 * DAY, "sgv": AT - DAY, "tgv": AT},
    tags={"vip": Tag(of="tgv", at=AT, by="operator:x")}, generation=1,
)  # fmt: skip
SOUND = Records(
    definitions=[definition("sgv", VIEWED), definition("tgv", None, tag="vip")],
    built=1,
    bounds=LifeCycleRules(),
    known=[Known(TRAITS, AT + DAY + 1)],
    rows=[Row(one, "3", "m") for one in ("new", "sgv", "tgv")],
    counts=[Count(one, "3", 2, 1) for one in ("new", "sgv", "tgv")],
    persons={"m": PERSON},
)


def told(records: Records, at: datetime | None = NOW) -> list[str]:
    return [f"{one.about}: {one.what}" for one in audit(records, at)]


def test_what_agrees_has_no_difference() -> None:
    assert told(SOUND) == told(SOUND, None) == []
    assert told(Records(bounds=LifeCycleRules())) == []


def known(due: int | None = AT + DAY + 1, **more: Any) -> Records:
    changed = Known(msgspec.structs.replace(TRAITS, **more), due)
    return msgspec.structs.replace(SOUND, known=[changed])


def person(**more: Any) -> Records:
    return msgspec.structs.replace(SOUND, persons={"m": msgspec.structs.replace(PERSON, **more)})


@pytest.mark.parametrize(
    ("records", "named"),
    [
        (msgspec.structs.replace(SOUND, rows=SOUND.rows[1:]), "m is listed 0 times, and belongs there 1 times"),
        (msgspec.structs.replace(SOUND, rows=[*SOUND.rows, Row("sgv", "3", "x")]), "x is listed 1 times, and belongs"),
        (msgspec.structs.replace(SOUND, rows=[*SOUND.rows, Row("new", "4", "m")]), "m is listed 2 times"),
        (msgspec.structs.replace(SOUND, counts=SOUND.counts[1:]), "shard 3 counts 0 members, and lists 1"),
        (msgspec.structs.replace(SOUND, counts=[*SOUND.counts, Count("old", "0", -1, -1)]), "counts -1 who came"),
        (known(moves=[(AT, "sgv", True)]), "m is listed 1 times, and belongs there 0 times"),
        (known(AT + DAY + 2), "is until a look at"),
        (known(None), "is until a look at None"),
        (person(events=[]), "is now in ['new', 'sgv', 'tgv'], and by the rules in ['new', 'tgv']"),
        (person(orders=[bought(5, timedelta(days=2), timedelta(1))]), "the profile says 0 orders are completed"),
        (person(profile=profile()), "the profile's tags are [], not ['vip']"),
        (person(profile=profile(tags=["vip"], personalised=False)), "by the rules in ['new', 'tgv']"),
        (msgspec.structs.replace(SOUND, persons={}), "m: traits of nobody"),
        (msgspec.structs.replace(SOUND, bounds=LifeCycleRules(new_days=9)), "by the rules in ['sgv', 'silent', 'tgv']"),
        (known(tags={"vip": Tag(of="tgother", at=AT, by="operator:x")}), "by the rules in ['new', 'sgv']"),
    ],
)
def test_each_difference_is_named(records: Records, named: str) -> None:
    assert any(named in line for line in told(records)), told(records)


def test_what_waits_or_is_not_known_is_not_compared() -> None:
    assert told(known(AT)) == []
    building = [definition("sgv", {"life_cycle": ["silent"]}, generation=2), SOUND.definitions[1]]
    naming = definition("sgn", {"any": [{"segment": "sgv"}, {"not": {"tag": "vip"}}]})
    assert told(msgspec.structs.replace(SOUND, definitions=[*building, naming])) == []


def _holds(rule: Any, who: Person, at: int = AT, **more: Any) -> bool:
    made = definition("sg", rule, **more)
    return is_inside(made, who, Law(definitions={"sg": made, "tgv": SOUND.definitions[1]}, bounds=LifeCycleRules()), at)


def _who(**more: Any) -> Person:
    return msgspec.structs.replace(PERSON, **more)


ORDERS = [bought(1000, timedelta(days=3)), bought(500, timedelta(days=400))]
CAME = profile(first_source=Source(channel="ad", at=JOINED), last_source=Source(scene="1047", at=NOW))


@pytest.mark.parametrize(
    ("rule", "who", "until"),
    [
        ({"purchases": "sum_fen", "op": "between", "value": [1500, 1500]}, _who(orders=ORDERS), None),
        ({"purchases": "avg_fen", "op": "<=", "value": 750}, _who(orders=ORDERS), None),
        ({"purchases": "count", "within_days": 9, "op": "==", "value": 1}, _who(orders=ORDERS), 6 * DAY),
        ({"days_since": "last_purchase", "op": "<=", "days": 4}, _who(orders=ORDERS), DAY),
        ({"not": {"days_since": "first_purchase", "op": "<=", "days": 400}}, _who(), None),
        ({"days_since": "last_seen", "op": "<=", "days": 0}, _who(profile=profile(last_seen=NOW)), 0),
        ({"source": {"channel": "ad"}, "touch": "joined"}, _who(profile=CAME), None),
        ({"source": {"scene": "1047"}, "touch": "last"}, _who(profile=CAME), None),
        ({"life_cycle": ["new"]}, _who(), 20 * DAY),
        ({"tag": "vip", "within_days": 1}, _who(tags=TRAITS.tags), DAY),
        ({"distributor": "active"}, _who(distributor="active"), None),
        ({"days_since": "birthday", "op": "<=", "days": 0}, _who(profile=profile(birthday=Birthday(month=11, day=21))),
         16 * 3_600_000 - 28_800_000 - 1),
        ({"days_since": "birthday", "op": "<=", "days": 5},
         _who(profile=profile(birthday=Birthday(month=10, day=13, calendar="lunar")),
              lunar_birthdays=[date(2025, 12, 2), date(2026, 11, 21)]), 5 * DAY),
    ],
)  # fmt: skip
def test_the_recompute_is_exact(rule: Any, who: Person, until: int | None) -> None:
    """It holds now; and, where time ends it, up to that very millisecond."""
    assert _holds(rule, who)
    if until is not None:
        assert _holds(rule, who, AT + until)
        assert not _holds(rule, who, AT + until + (1 if until % DAY == 0 and "birthday" not in str(rule) else DAY))


def test_what_was_before_does_not_count_from_now_on() -> None:
    asks: Callable[..., bool] = lambda since: _holds(VIEWED, PERSON, from_now_on=True, changed_at=since)  # noqa: E731
    assert asks(NOW - timedelta(days=1))
    assert not asks(NOW - timedelta(days=1) + timedelta(milliseconds=1))
