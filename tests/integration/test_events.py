"""Events on DynamoDB: taken once in whatever races and crashes, bounded by the day, kept by member, forgotten whole."""

from __future__ import annotations

import contextlib
import secrets
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.core import clock
from chalicelib.customers.events import personal_data, ports, queries
from chalicelib.customers.events.rules import DAY_BYTES_MAX, Event
from chalicelib.customers.events.tables import BATCH, MemberEvents
from chalicelib.customers.members import queries as member_queries
from chalicelib.gateways.wechat import mini
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict
from local.client import Client, Operator, in_process
from tests.support.operators import owner_token
from tests.support.outside import POINTS, Crash, Mode, boundary, may_change
from tests.support.registered import observing

VIEW = {"product_id": "p1", "from": "home"}


@pytest.fixture(autouse=True)
def wechat(dynamodb: str, later: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """WeChat says that a code is its shopper's openid; the clock is the test's own."""
    monkeypatch.setattr(mini, "code2session", lambda code: mini.Session(openid=code, unionid=None))


class Hearer:
    """What the wing above has heard, as it was committed."""

    def __init__(self) -> None:
        self.heard_of: list[tuple[str, list[Event]]] = []
        self.refusals = 0

    def heard(self, tx: Transaction, member_id: str, events: Sequence[Event]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Conflict
        tx.after_commit(self.heard_of.append, (member_id, list(events)))


@pytest.fixture
def hearer() -> Iterator[Hearer]:
    with observing(ports, Hearer()) as hearer:
        yield hearer


def member() -> tuple[Client, str]:
    code = f"o{secrets.token_hex(8)}"
    told = Client(in_process()).post("/v1/auth/login", {"code": code}).ok()
    return Client(in_process(), told["token"]), told["member"]["member_id"]


def batch_id() -> str:
    text = str(uuid.uuid4())
    return f"{text[:14]}7{text[15:]}"


def event_of(**more: Any) -> dict[str, Any]:
    one: dict[str, Any] = {"event_id": "e1", "name": "cart_view", "at": "2031-03-01T12:00:00+08:00"}
    return one | more


def event(told: str = "product_view", at: datetime | None = None, **props: Any) -> dict[str, Any]:
    at = at or clock.now()
    return {"event_id": secrets.token_hex(8), "name": told, "at": at.isoformat(), "props": props or VIEW}


def batch(*events: dict[str, Any], sent_at: datetime | None = None, **more: Any) -> dict[str, Any]:
    sent_at = sent_at or clock.now()
    return {"batch_id": batch_id(), "sent_at": sent_at.isoformat(), "events": list(events), **more}


def stored(member_id: str, prefix: str = BATCH) -> list[MemberEvents]:
    return [each for each in read.query_all(MemberEvents, member_id, consistent=True) if each.part.startswith(prefix)]


def test_a_batch_sent_twenty_times_at_once_counts_once(hearer: Hearer) -> None:
    someone, member_id = member()
    body = batch(*(event() for _ in range(20)))

    def send(number: int) -> Any:
        sent_at = (clock.now() + timedelta(milliseconds=number)).isoformat()  # each try says when it is sent
        return someone.post("/v1/me/events", body | {"sent_at": sent_at})

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(send, range(20)))
    assert [answer.status for answer in answers] == [202] * 20
    assert [(answer.json["accepted"], answer.json["dropped"]) for answer in answers] == [(20, [])] * 20
    assert [(who, len(events)) for who, events in hearer.heard_of] == [(member_id, 20)]
    assert len(stored(member_id)) == 1
    assert len(queries.events_of(member_id, {"product_view"}, clock.now() - timedelta(days=1), clock.now())) == 20
    told = msgspec.json.encode(body["events"])
    (day,) = stored(member_id, "day#")
    assert int(day.sent_bytes) == pytest.approx(len(told), rel=0.1)  # counted once


def test_the_same_batch_is_answered_as_at_first_and_another_under_its_id_is_refused(hearer: Hearer) -> None:
    someone, member_id = member()
    body = batch(event(), event("made_up"), event("order_paid"), event("product_view", **VIEW, phone="1"))
    first = someone.post("/v1/me/events", body).ok(202)
    dropped = [
        {"index": 1, "code": "event_unknown"},
        {"index": 2, "code": "event_of_server"},
        {"index": 3, "code": "prop_forbidden", "prop": "phone"},
    ]
    assert (first["accepted"], first["dropped"]) == (1, dropped)
    assert first["server_time"] == clock.now().isoformat().replace("+00:00", "Z")
    again = someone.post("/v1/me/events", body | {"batch_id": body["batch_id"].upper()}).ok(202)
    assert (again["accepted"], again["dropped"]) == (1, dropped)
    for other in ({"events": [event()]}, {"session": {"id": "s1"}}):
        someone.post("/v1/me/events", body | other).refused(422, "batch_reused")
    assert len(hearer.heard_of) == len(stored(member_id)) == 1
    stranger, _ = member()
    assert stranger.post("/v1/me/events", body).ok(202)["accepted"] == 1  # an id is its member's own


def test_a_batch_of_which_nothing_is_taken_is_known_too(hearer: Hearer) -> None:
    someone, member_id = member()
    body = batch(event("made_up"))
    assert [someone.post("/v1/me/events", body).ok(202)["accepted"] for _ in range(2)] == [0, 0]
    assert hearer.heard_of == [] and len(stored(member_id)) == 1
    assert queries.events_of(member_id, {"made_up"}, clock.now() - timedelta(days=7), clock.now()) == []


def test_a_day_of_shanghai_has_room_for_so_much_and_no_more(later: Callable[[float], None]) -> None:
    someone, member_id = member()
    bodies = [batch(*(event(page="x" * 200, told="page_view") for _ in range(50))) for _ in range(20)]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda body: someone.post("/v1/me/events", body).status, bodies))
    (day,) = stored(member_id, "day#")
    each = int(day.sent_bytes) // statuses.count(202)
    assert int(day.sent_bytes) <= DAY_BYTES_MAX < int(day.sent_bytes) + each
    assert set(statuses) == {202, 429} and len(stored(member_id)) == statuses.count(202)
    later(60)  # it is not the limit of calls in a minute
    rest = bodies[statuses.index(429)]
    refused = someone.post("/v1/me/events", rest)
    refused.refused(429, "too_many_requests")
    wait = int(refused.headers["retry-after"])
    assert clock.day(clock.now() + timedelta(seconds=wait)) > clock.day(clock.now())
    assert clock.day(clock.now() + timedelta(seconds=wait - 1)) == clock.day(clock.now())
    known = bodies[statuses.index(202)]
    assert someone.post("/v1/me/events", known).ok(202)["accepted"] == 50  # what was taken is answered all the same
    later(wait)
    assert someone.post("/v1/me/events", rest).ok(202)["accepted"] == 50


@pytest.mark.parametrize("mode", POINTS)
def test_whatever_breaks_off_a_repetition_heals(mode: Mode, hearer: Hearer, later: Callable[[float], None]) -> None:
    """At each write: the count of calls in a minute, the batch, and that the member is here."""
    points = 0
    while True:
        someone, member_id = member()
        later(86_400)
        body = batch(event("app_launch", scene=1001, path="pages/index"), event())
        hearer.heard_of.clear()
        with boundary() as outside:
            outside.arm(points + 1, mode, may_change)
            with contextlib.suppress(Crash):
                someone.post("/v1/me/events", body)
            reached = outside.struck
            outside.disarm()
            assert someone.post("/v1/me/events", body).ok(202)["accepted"] == 2
        assert len(stored(member_id)) == 1
        assert member_queries.profile(member_id).last_seen == clock.now()
        # What was committed as the process died was heard there, if nobody could say so here.
        assert len(hearer.heard_of) == 1 or (mode == "crash_after" and points == 1)
        if not reached:
            break
        points += 1
    assert points == 3


def test_those_above_may_have_it_decided_anew(hearer: Hearer) -> None:
    someone, member_id = member()
    hearer.refusals = 2
    assert someone.post("/v1/me/events", batch(event())).ok(202)["accepted"] == 1
    assert len(hearer.heard_of) == len(stored(member_id)) == 1
    hearer.refusals = 99
    someone.post("/v1/me/events", batch(event())).refused(409, "conflict")
    assert len(stored(member_id)) == 1


def test_a_launch_says_that_the_member_is_here_and_by_which_way_once(later: Callable[[float], None]) -> None:
    someone, member_id = member()
    later(86_400)
    session = {"id": "s1", "source": {"channel": "poster-7"}, "platform": "ios", "app_version": "1.2.3"}
    launch = event("app_launch", at=clock.now() - timedelta(seconds=5), scene=1001, path="pages/index")
    body = batch(launch, session=session)
    for _ in range(2):
        someone.post("/v1/me/events", body).ok(202)
        profile = member_queries.profile(member_id)
        assert profile.last_seen == clock.now()
        assert profile.last_source is not None and profile.last_source.channel == "poster-7"
        assert profile.last_source.at == datetime.fromisoformat(launch["at"])
        seen_at, version = profile.last_seen, member_queries.stored_profile(member_id).version
    later(60)
    someone.post("/v1/me/visits", {"channel": "poster-8"}).ok()
    someone.post("/v1/me/events", body).ok(202)  # late: it takes no other's place
    after = member_queries.stored_profile(member_id)
    assert (after.value.last_source.channel, after.value.last_seen) == ("poster-8", seen_at)  # type: ignore[union-attr]
    assert after.version == version + 1


def test_operators_read_what_a_member_did_newest_first(later: Callable[[float], None]) -> None:
    someone, member_id = member()
    began = clock.now()
    told = []
    for number in range(4):
        later(3600)
        # Each batch is of another hour, and its id says nothing of it.
        at = [clock.now() - timedelta(minutes=minute) for minute in (50, 20, 20)]
        given = [event(at=one, **VIEW) for one in at] + [event("search", at=at[1], q_hash="ab", results=number)]
        someone.post("/v1/me/events", batch(*given, session={"id": f"s{number}", "platform": "android"})).ok(202)
        told += [given[0]["event_id"], given[1]["event_id"], given[2]["event_id"], given[3]["event_id"]]
    operator, path = Operator(in_process(), owner_token()), f"/v1/admin/members/{member_id}/events"
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = operator.get(f"{path}?limit=5" + (f"&cursor={cursor}" if cursor else "")).ok()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["items"]) == 5
    assert [one["event_id"] for one in found] == told[::-1]
    assert found[0] == {
        "event_id": told[-1], "name": "search", "at": found[0]["at"], "day": str(clock.day(clock.now())),
        "props": {"q_hash": "ab", "results": 3}, "received_at": found[0]["received_at"], "session_id": "s3",
        "platform": "android",
    }  # fmt: skip
    searches = operator.get(f"{path}?name=search").ok()["items"]
    assert [one["props"]["results"] for one in searches] == [3, 2, 1, 0]
    since, until = began + timedelta(hours=2, minutes=10), began + timedelta(hours=2, minutes=40)
    window = f"{path}?from={clock.stamp(since)}&until={clock.stamp(until)}"
    assert [one["event_id"] for one in operator.get(window).ok()["items"]] == told[11:7:-1]
    events = queries.events_of(member_id, {"search"}, since, until)
    assert [one.props["results"] for one in events] == [2]
    operator.get("/v1/admin/members/nobody/events").refused(404, "not_found")
    operator.get(f"{path}?name=view&cursor={'x' * 20}").refused(400, "cursor_invalid")


def test_a_clock_that_is_far_off_counts_for_nothing() -> None:
    someone, member_id = member()
    wrong = clock.now() - timedelta(days=400)
    someone.post("/v1/me/events", batch(event(at=wrong - timedelta(hours=1)), sent_at=wrong)).ok(202)
    (one,) = Operator(in_process(), owner_token()).get(f"/v1/admin/members/{member_id}/events").ok()["items"]
    assert one["clock_unknown"] is True and one["at"] == one["received_at"]


def test_no_text_of_a_batch_keeps_a_persons_number_and_the_rest_is_shown_to_both(
    later: Callable[[float], None],
) -> None:
    someone, member_id = member()
    number, operator = "13912345678", Operator(in_process(), owner_token())
    source = {"scene": 1047, "channel": number, "inviter": "m1", "live_room": f"tel {number}"}
    session = {"id": number, "source": source, "platform": "ios", "app_version": f"+86 {number}"}
    launch = event("app_launch", scene=1047, path="pages/index")
    body = batch(event() | {"event_id": number}, launch, session=session)
    for _ in range(2):
        told = someone.post("/v1/me/events", body).ok(202)
        assert (told["accepted"], told["dropped"]) == (1, [{"index": 0, "code": "id_forbidden"}])
        assert told["left_out"] == [
            "session.id", "session.app_version", "session.source.channel", "session.source.live_room",
        ]  # fmt: skip
    someone.post("/v1/me/events", batch(event("made_up"), session=session)).ok(202)
    assert number not in "".join(f"{item.batch}{queries.unpacked(item)}" for item in stored(member_id))
    assert number not in str(member_queries.profile(member_id))
    (shown,) = someone.get("/v1/me/export").ok()["sections"]["events"]
    assert (shown["name"], shown["platform"], shown.keys() & {"session_id", "app_version"}) == (
        "app_launch",
        "ios",
        set(),
    )
    assert shown["source"] == {"scene": "1047", "inviter": "m1", "at": shown["at"]}
    assert operator.get(f"/v1/admin/members/{member_id}/events").ok()["items"] == [shown]


def test_of_who_told_nothing_that_is_taken_nothing_is_kept() -> None:
    someone, member_id = member()
    session = {"id": "s1", "source": {"channel": "poster-7"}, "platform": "ios", "app_version": "1.2.3"}
    someone.post("/v1/me/events", batch(event("made_up"), session=session)).ok(202)
    (item,) = stored(member_id)
    assert (item.batch.session_id, item.batch.source, item.batch.platform, item.batch.app_version) == (None,) * 4


def test_all_of_it_is_shown_to_the_member_and_forgotten_with_them() -> None:
    someone, member_id = member()
    bodies = [batch(*(event() for _ in range(20))) for _ in range(12)]
    for body in bodies:
        someone.post("/v1/me/events", body).ok(202)
    found: list[str] = []
    cursor = None
    while True:
        part = someone.get("/v1/me/export" + (f"?cursor={cursor}" if cursor else "")).ok()
        found += [one["event_id"] for one in part["sections"].get("events", [])]
        cursor = part["next_cursor"]
        if cursor is None:
            break
    assert sorted(found) == sorted(one["event_id"] for body in bodies for one in body["events"])
    (owner,) = personal_data.DATA_OWNERS
    for _ in range(2):
        owner.erase(member_id)
        assert list(read.query_all(MemberEvents, member_id, consistent=True)) == []


def test_what_is_kept_no_longer_is_nowhere(later: Callable[[float], None]) -> None:
    someone, member_id = member()
    someone.post("/v1/me/events", batch(event(), event("page_view", page="home"))).ok(202)
    began = clock.now()

    def names() -> set[str]:
        since, until = began - timedelta(days=1), clock.now()
        found = queries.events_of(member_id, {"product_view", "page_view"}, since, until)
        shown, _ = personal_data.DATA_OWNERS[0].pages(member_id, None)
        assert {one.name for one in found} == {one.name for one in shown}
        return {one.name for one in found}

    assert names() == {"product_view", "page_view"}
    later(30 * 86_400 + 1)
    assert names() == {"product_view"}
    later(60 * 86_400)
    assert names() == set()
    (item,) = stored(member_id)
    assert item.expires == (began + timedelta(days=90)).replace(microsecond=0)


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ({"batch_id": str(uuid.UUID(int=0, version=4))}, "batch_id", "wrong_format"),
        ({"sent_at": "2031-03-01T12:00:00"}, "sent_at", "no_time_zone"),
        ({"events": []}, "events", "empty"),
        ({"events": [event_of()] * 51}, "events", "too_many"),
        ({"events": [event_of(at="2031-03-01T12:00:00")]}, "events[0].at", "no_time_zone"),
        ({"events": [event_of(event_id="x" * 65)]}, "events[0].event_id", "too_long"),
        ({"events": [event_of(props={"a": {"b": 1}})]}, "events[0].props[]", "wrong_kind"),
        ({"events": [event_of(props={"a": None})]}, "events[0].props[]", "wrong_kind"),
        ({"events": [event_of(props={"a": "x" * 257})]}, "events[0].props[]", "too_long"),
        ({"events": [event_of(props={"x" * 41: 1})]}, "events[0].props", "too_long"),
        ({"events": [event_of(props={f"p{n}": n for n in range(21)})]}, "events[0].props", "too_many"),
        ({"events": [event_of(strange=1)]}, "events[0].strange", "unknown_field"),
    ],
)
def test_what_no_client_sends_is_malformed(wrong: dict[str, Any], field: str, code: str) -> None:
    someone, member_id = member()
    told = someone.post("/v1/me/events", batch(event_of()) | wrong).refused(400, "malformed")
    assert [(one["field"], one["code"]) for one in told["errors"]] == [(field, code)]
    assert stored(member_id) == []


def test_a_batch_has_64_kilobytes_at_most() -> None:
    someone, _ = member()
    large = batch(*(event("page_view", page="x" * 256, **{f"p{n}": "x" * 256 for n in range(6)}) for _ in range(40)))
    someone.post("/v1/me/events", large).refused(413, "too_large")
