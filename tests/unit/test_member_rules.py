"""Segments and the address book, for every history there can be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import MallError
from chalicelib.customers.members.inputs import AddressInput, ProfileInput
from chalicelib.customers.members.refusals import ADDRESSES_FULL, NO_SUCH_ADDRESS
from chalicelib.customers.members.rules import (
    ADDRESSES_MAX,
    INVITES_MAX,
    NAMELESS,
    Address,
    Addresses,
    Birthday,
    Block,
    Invite,
    LifeCycleRules,
    Profile,
    Source,
    check_admitted,
    invited,
    life_cycle,
    masked,
    seen,
    segment_of,
    with_completed,
    with_purchase,
)
from chalicelib.platform.web.edge import decode

JOINED = datetime(2026, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)
DAY = timedelta(days=1)
SPANS = st.integers(0, 100 * 86_400_000).map(lambda ms: timedelta(milliseconds=ms)) | st.sampled_from(
    [days * DAY + part for days in (30, 60) for part in (-MS, timedelta(), MS)]
)
BOUNDS = st.builds(
    LifeCycleRules,
    new_days=st.integers(1, 90),
    first_order_days=st.integers(1, 90),
    active_days=st.integers(1, 90),
    loyal_orders=st.integers(2, 7),
)


def of(completed: int, since: timedelta, joined: timedelta, returned: bool = False) -> str:
    """The segment of somebody who bought last and joined so long ago, by the usual bounds."""
    now = JOINED + joined
    profile = Profile(
        member_id="m", openid="o", joined_at=JOINED, orders_completed=completed, last_completed_at=now - since,
        returned=returned,
    )  # fmt: skip
    return segment_of(profile, now, LifeCycleRules())


@pytest.mark.parametrize(
    ("completed", "since_last", "joined", "expected"),
    [
        (0, 0 * DAY, 0 * DAY, "new"),
        (0, 0 * DAY, 30 * DAY, "new"),
        (0, 0 * DAY, 30 * DAY + MS, "silent"),
        (1, 30 * DAY, 400 * DAY, "first_order"),
        (1, 30 * DAY + MS, 31 * DAY, "silent"),
        (2, 60 * DAY, 400 * DAY, "repeat"),
        (4, 60 * DAY, 400 * DAY, "repeat"),
        (4, 60 * DAY + MS, 400 * DAY, "silent"),
        (5, 60 * DAY, 400 * DAY, "loyal"),
        (500, 0 * DAY, 400 * DAY, "loyal"),
        (5, 60 * DAY + MS, 400 * DAY, "silent"),
    ],
)
def test_the_bounds_of_the_segments(completed: int, since_last: timedelta, joined: timedelta, expected: str) -> None:
    assert of(completed, since_last, joined) == expected


@given(st.integers(0, 9), SPANS, SPANS, st.booleans(), BOUNDS)
def test_first_match_wins_and_everyone_else_is_silent(
    completed: int, since: timedelta, joined: timedelta, returned: bool, bounds: LifeCycleRules
) -> None:
    # The rule of the life cycle, read as it is written: the first that fits wins.
    table = [
        ("new", completed == 0 and not returned and joined <= bounds.new_days * DAY),
        ("first_order", completed == 1 and since <= bounds.first_order_days * DAY),
        ("repeat", 2 <= completed < bounds.loyal_orders and since <= bounds.active_days * DAY),
        ("loyal", completed >= max(2, bounds.loyal_orders) and since <= bounds.active_days * DAY),
        ("silent", True),
    ]
    now = JOINED + joined
    segment, _ = life_cycle(completed, now - since, JOINED, returned, now, bounds)
    assert segment == next(name for name, holds in table if holds)


@given(st.integers(0, 9), SPANS, SPANS, st.booleans(), BOUNDS)
def test_a_segment_stays_until_the_instant_that_is_told_and_is_another_then(
    completed: int, since: timedelta, joined: timedelta, returned: bool, bounds: LifeCycleRules
) -> None:
    now = JOINED + joined

    def at(instant: datetime) -> tuple[str, datetime | None]:
        return life_cycle(completed, now - since, JOINED, returned, instant, bounds)

    segment, until = at(now)
    if until is None:
        assert at(now + 4000 * DAY) == (segment, None)
    else:
        assert until > now and at(until - MS)[0] == segment
        assert at(until) == ("silent", None)


@given(st.lists(st.integers(0, 10_000_000), max_size=8))
def test_purchases_count_in_whatever_order_they_are_told(seconds: list[int]) -> None:
    profile = Profile(member_id="m", openid="o", joined_at=JOINED)
    for second in seconds:
        profile = with_purchase(profile, JOINED + timedelta(seconds=second))
    assert profile.orders_completed == len(seconds)
    last = JOINED + timedelta(seconds=max(seconds)) if seconds else None
    assert profile.last_completed_at == last
    assert with_completed(profile, len(seconds), last) is profile
    assert with_completed(profile, 0, None) == Profile(member_id="m", openid="o", joined_at=JOINED)


@given(st.integers(1, 12), st.integers(1, 31), st.sampled_from(["solar", "lunar"]))
def test_a_birthday_is_a_day_that_some_year_has(month: int, day: int, calendar: str) -> None:
    is_there = day <= 30
    if calendar == "solar":
        try:
            date(2028, month, day)  # a leap year
            is_there = True
        except ValueError:
            is_there = False
    body = msgspec.json.encode({"birthday": {"month": month, "day": day, "calendar": calendar}})
    if is_there:
        given = msgspec.json.decode(body, type=ProfileInput).birthday
        assert given == Birthday(month=month, day=day, calendar=calendar)  # type: ignore[arg-type]
    else:
        with pytest.raises(MallError) as fault:
            decode(body, ProfileInput)
        assert (fault.value.code, fault.value.errors[0].field) == ("malformed", "birthday.day")


@given(st.integers(-50, 50), st.integers(0, 100), st.sampled_from(["a", None]))
def test_the_first_instant_of_a_day_is_kept_and_no_other(before: int, hours: int, channel: str | None) -> None:
    first = JOINED + timedelta(hours=before)
    now = first + timedelta(hours=hours)
    profile = Profile(member_id="m", openid="o", joined_at=JOINED, last_seen=first)
    source = None if channel is None else Source(channel=channel, at=now)
    after = seen(profile, source, now)
    is_same_day = (first + timedelta(hours=8)).date() == (now + timedelta(hours=8)).date()  # Asia/Shanghai
    assert after.last_seen == (first if is_same_day else now)
    assert (after is profile) == (is_same_day and source is None)
    assert (after.last_source, after.first_source) == (source, source)
    assert seen(after, None, now) is after


@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=12), st.integers(1, 12))
def test_a_link_is_remembered_once_where_it_was_opened_last(visits: list[str | None], others: int) -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    opened = [*(f"t{number}" for number in range(others)), *visits]
    invites: list[Invite] = []
    for minute, token in enumerate(opened):
        invites = invited(invites, Source(inviter=token, at=at + timedelta(minutes=minute)))
    latest = {token: minute for minute, token in enumerate(opened) if token is not None}
    expected = sorted(latest, key=lambda token: -latest[token])[:INVITES_MAX]
    assert [(one.token, one.at) for one in invites] == [
        (token, at + timedelta(minutes=latest[token])) for token in expected
    ]


def test_a_blocked_member_is_not_admitted() -> None:
    member = Profile(member_id="m", openid="o", joined_at=datetime(2026, 1, 1, tzinfo=UTC))
    check_admitted(member)
    with pytest.raises(MallError) as refused:
        check_admitted(msgspec.structs.replace(member, blocked=Block("why", member.joined_at)))
    assert refused.value.code == "member_blocked"


def address(address_id: str, is_default: bool = False) -> Address:
    return Address(
        address_id=address_id, name="林小鱼", phone="13800000000", region_code="310115", province="上海市",
        city="市辖区", district="浦东新区", detail="世纪大道 1 号", is_default=is_default,
    )  # fmt: skip


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "replace", "remove"]), st.integers(0, 30), st.booleans()), max_size=60
)


@given(STEPS)
def test_there_is_one_default_as_long_as_there_is_any_address(steps: list[tuple[str, int, bool]]) -> None:
    book = Addresses()
    for step, (what, number, is_default) in enumerate(steps):
        known = [each.address_id for each in book.items]
        if what == "add" and len(known) < ADDRESSES_MAX:
            book = book.add(address(f"a{step}", is_default))
            assert [each.address_id for each in book.items] == [*known, f"a{step}"]
            assert not is_default or book.items[-1].is_default
        elif what == "replace" and known:
            target = known[number % len(known)]
            book = book.replace(address(target, is_default))
            assert [each.address_id for each in book.items] == known
            assert len(known) == 1 or book.find(target) == address(target, is_default)
        elif what == "remove" and known:
            book = book.remove(known[number % len(known)])
            assert len(book.items) == len(known) - 1
        assert sum(each.is_default for each in book.items) == (1 if book.items else 0)


def test_the_last_links_are_remembered_the_latest_first_and_each_once() -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    numbered = [f"t{number}" for number in range(INVITES_MAX)]
    invites: list[Invite] = []
    for minute, token in enumerate(["again", *numbered, "t0", None, "again"]):
        invites = invited(invites, Source(inviter=token, at=at + timedelta(minutes=minute)))
    assert [one.token for one in invites] == ["again", "t0", *numbered[:1:-1]]
    assert [one.at for one in invites] == sorted((one.at for one in invites), reverse=True)
    assert invited(invites, None) == invites


def test_the_newest_takes_over_from_a_default_that_goes() -> None:
    book = Addresses().add(address("a1", True)).add(address("a2")).add(address("a3"))
    assert [each.is_default for each in book.items] == [True, False, False]
    assert [each.address_id for each in book.remove("a1").items if each.is_default] == ["a3"]
    assert [each.address_id for each in book.replace(address("a1")).items if each.is_default] == ["a3"]
    assert [each.address_id for each in book.remove("a2").items if each.is_default] == ["a1"]


@pytest.mark.parametrize("changed", ["a1", "a2"])
def test_an_address_that_does_not_say_so_stays_the_default_or_none(changed: str) -> None:
    book = Addresses().add(address("a1", True)).add(address("a2"))
    assert book.replace(address(changed), keeps_default=True) == book
    assert book.default == address("a1", True)
    assert Addresses().default is None


def test_a_book_is_full_at_twenty() -> None:
    book = Addresses()
    for number in range(ADDRESSES_MAX):
        book = book.add(address(f"a{number}"))
    with pytest.raises(MallError) as refusal:
        book.add(address("one-more"))
    assert refusal.value.code == "address_limit"
    assert refusal.value.text("zh", {}) == "最多保存 20 个收货地址，请先删除一个"
    assert refusal.value.data["limit"] == 20
    assert refusal.value.errors == (ADDRESSES_FULL.at("body", limit=20),)
    assert len(book.remove("a0").add(address("one-more")).items) == ADDRESSES_MAX
    assert book.replace(address("a7", True)).find("a7") == address("a7", True)


@pytest.mark.parametrize("book", [Addresses(), Addresses().add(address("a2"))])
def test_an_address_that_is_not_there(book: Addresses) -> None:
    assert book.find("a1") is None
    changes: list[Callable[[], Addresses]] = [lambda: book.replace(address("a1")), lambda: book.remove("a1")]
    for change in changes:
        with pytest.raises(MallError) as refused:
            change()
        assert (refused.value.code, refused.value.errors) == ("not_found", (NO_SUCH_ADDRESS.at("address_id"),))


@pytest.mark.parametrize(
    ("defaults", "change", "expected"),
    [
        ([2, 3], lambda book: book.add(address("a4")), [2]),  # stored with two: the older stays
        ([2, 3], lambda book: book.add(address("a4", True)), [4]),
        ([2, 3], lambda book: book.replace(address("a3", True)), [3]),
        ([2, 3], lambda book: book.remove("a2"), [3]),
        ([], lambda book: book.add(address("a4")), [3]),  # stored with none: the newest of the others
        ([], lambda book: book.replace(address("a3")), [2]),
        ([], lambda book: book.replace(address("a1")), [3]),
        ([], lambda book: book.remove("a3"), [2]),
    ],
)
def test_a_change_leaves_one_default_whatever_was_stored(
    defaults: list[int], change: Callable[[Addresses], Addresses], expected: list[int]
) -> None:
    book = Addresses([address(f"a{number}", number in defaults) for number in (1, 2, 3)])
    assert [each.address_id for each in change(book).items if each.is_default] == [f"a{number}" for number in expected]


@pytest.mark.parametrize(("nickname", "shown"), [("林小鱼", "林**"), ("林", "林**"), ("", NAMELESS)])
def test_strangers_see_the_first_character_of_a_name(nickname: str, shown: str) -> None:
    assert masked(nickname) == shown


@pytest.mark.parametrize("name", ["𠮷野家", "👩‍👩‍👧‍👦 家", "Åsa", "a" * 64])
def test_names_in_any_script(name: str) -> None:
    given_ = msgspec.to_builtins(address("a1")) | {"name": name}
    given_.pop("address_id")
    assert msgspec.convert(given_, AddressInput).name == name


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a\nb"),
        ("name", "a\n"),
        ("name", "a\x00"),
        ("name", "\x7f"),
        ("name", "a" * 65),
        ("phone", "138"),
        ("phone", "1380000000a"),
        ("phone", "-----"),
        ("region_code", "31011"),
        ("region_code", "310115\n"),
        ("region_code", "３１０１１５"),
        ("detail", ""),
        ("detail", "a" * 257),
        ("district", None),
        ("is_default", 1),
        ("unknown", 1),
    ],
)
def test_what_an_address_is_not(field: str, value: object) -> None:
    given_ = msgspec.to_builtins(address("a1")) | {field: value}
    given_.pop("address_id")
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given_, AddressInput)


@pytest.mark.parametrize(
    "change", [{"nickname": " "}, {"nickname": "a" * 33}, {"nickname": None}, {"avatar_url": None}]
)
def test_what_a_profile_is_not(change: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(change, ProfileInput)
