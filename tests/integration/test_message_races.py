"""Who is quicker: opt-outs and sends, many sends of few allowances, journeys that write to one member at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.growth.messaging import queries
from chalicelib.growth.messaging.contacts import queries as contacts
from chalicelib.growth.messaging.contacts import service as contact
from chalicelib.growth.messaging.rules import Form
from chalicelib.growth.messaging.sending import service as sending
from chalicelib.platform.jobs import worker
from local.clock import LocalClock
from local.jobs import all_jobs
from tests.support.merging import redirect
from tests.support.messages import (
    Platforms,
    asked,
    left_of,
    lets_through,
    member,
    platforms,
    queue,
    run,
    state,
    template,
    to_noon,
)

pytestmark = pytest.mark.usefixtures("own_tables")
THREADS = 20


@pytest.fixture
def outbox(own_tables: None, no_jobs: None, mall_clock: LocalClock) -> Iterator[Platforms]:
    to_noon(mall_clock)
    with platforms() as made:
        yield made


def at_once(*work: Callable[[], object]) -> None:
    """Do all of it at once, each from the same moment on."""
    gate = threading.Barrier(len(work))

    def begun(one: Callable[[], object]) -> None:
        gate.wait()
        one()

    with ThreadPoolExecutor(len(work)) as pool:
        list(pool.map(begun, work))


def push_all_at_once() -> None:
    at_once(*[lambda job=job: worker.run_one(job) for job in all_jobs()])  # type: ignore[misc]


def rest(held: LocalClock) -> None:
    """Whatever was in another's way is done."""
    for _ in range(5):
        run(held, 20)


def test_of_an_opt_out_and_a_send_one_comes_first(
    outbox: Platforms, monkeypatch: pytest.MonkeyPatch, mall_clock: LocalClock
) -> None:
    """The opt-out is written between the look at what the member wants and the reservation."""
    who = member()
    one = queue(asked(template().template_id, who))
    looked = sending.look

    def slowly(message: object) -> object:
        seen = looked(message)  # type: ignore[arg-type]
        contact.opt_out(who, "sms", "reply")
        return seen

    monkeypatch.setattr(sending, "look", slowly)
    run()
    assert state(one) == "dropped:opted_out"
    assert outbox.took == []


def test_who_becomes_another_in_that_moment_is_looked_at_again(
    outbox: Platforms, monkeypatch: pytest.MonkeyPatch
) -> None:
    former, who = member(), member()
    made = template().template_id
    queue(asked(made, who))
    run()
    one = queue(asked(made, former))
    looked, moved = sending.look, []

    def slowly(message: object) -> object:
        seen = looked(message)  # type: ignore[arg-type]
        if not moved:
            moved.append(redirect(former, who))
        return seen

    monkeypatch.setattr(sending, "look", slowly)
    run()
    assert state(one) == "dropped:capped"  # the one person has had an SMS
    assert len(outbox.took) == 1


def test_nothing_goes_out_after_the_answer_to_an_opt_out(outbox: Platforms, mall_clock: LocalClock) -> None:
    """Forty messages are under way while their member opts out: what is reserved by then may still come."""
    who = member()
    made = template(purpose="transactional")
    ids = [queue(asked(made.template_id, who)) for _ in range(40)]
    began: set[str] = set()
    outbox.meanwhile = lambda letter: began.add(letter.message_id)
    answered: list[set[str]] = []

    def opt_out() -> None:
        contact.opt_out(who, "sms", "reply")
        answered.append({one for one in ids if state(one).startswith("sending")} | set(began))

    jobs = list(all_jobs())
    at_once(opt_out, *[lambda job=job: worker.run_one(job) for job in jobs])  # type: ignore[misc]
    rest(mall_clock)
    sent = {one for one in ids if state(one) == "sent"}
    assert sent <= answered[0]
    assert {state(one) for one in ids} - {"sent"} <= {"dropped:opted_out"}
    assert len(outbox.took) == len(sent)


def test_an_allowance_is_never_below_nothing(outbox: Platforms, mall_clock: LocalClock) -> None:
    who = member(phone=None)
    made = template(purpose="transactional", media=["subscribe"], forms={"subscribe": Form("tpl-r")})
    lets_through(who, "tpl-r", 3)
    ids = [queue(asked(made.template_id, who)) for _ in range(THREADS)]
    push_all_at_once()
    rest(mall_clock)
    states = [state(one) for one in ids]
    assert sorted(set(states)) == ["dropped:unreachable", "sent"]
    assert states.count("sent") == len(outbox.took) == 3
    assert left_of(who, "tpl-r") == 0


def test_what_is_let_through_at_once_counts_each_time(outbox: Platforms, mall_clock: LocalClock) -> None:
    who = member()
    at_once(*[lambda: lets_through(who, "tpl-s") for _ in range(8)])
    assert left_of(who, "tpl-s") == 8


def test_journeys_that_write_to_one_member_at_once_keep_every_cap(outbox: Platforms, mall_clock: LocalClock) -> None:
    who = member()
    made = [template(media=["sms"]), template(media=["oa", "sms"], purpose="service")]
    ids = [queue(asked(made[one % 2].template_id, who, source=f"journey:r{one % 2}")) for one in range(THREADS)]
    push_all_at_once()
    rest(mall_clock)
    states = [state(one) for one in ids]
    assert states.count("sent") == len(outbox.took) == 1  # one SMS in seven days
    assert states.count("dropped:capped") == THREADS - 1
    assert len(contacts.stored(who).value.log) == 1
    counts = [queries.counts(f"journey:r{one}") for one in range(2)]
    assert sum(one.get("sms|sent", 0) for one in counts) == 1
    assert sum(one.get("sms|dropped:capped", 0) for one in counts) == THREADS - 1


def test_one_message_is_sent_once_however_many_push_it(outbox: Platforms, mall_clock: LocalClock) -> None:
    one = asked(template().template_id, member())
    queue(one)
    for _ in range(3):
        mall_clock.advance(0.01)
        queue(one)
    jobs = list(all_jobs())
    at_once(*[lambda job=job: worker.run_one(job) for job in jobs])  # type: ignore[misc]
    rest(mall_clock)
    run(mall_clock, 200)
    assert (state(one.message_id), len(outbox.took)) == ("sent", 1)
