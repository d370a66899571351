"""A message is queued with what it follows from; asked for twice it is one, whatever has become of it."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from chalicelib.core import clock, ids
from chalicelib.growth.messaging import ports, queries
from chalicelib.growth.messaging.rules import Message, Template
from chalicelib.growth.messaging.tables import Messages
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.transaction import Transaction, save
from local.clock import LocalClock
from local.jobs import all_jobs
from tests.support.messages import asked, found, member, platforms, queue, run, state, template, to_noon
from tests.support.registered import registered

pytestmark = pytest.mark.usefixtures("no_jobs")


def owed() -> list[str]:
    return sorted(f"{job.shard[0]} {job.task.kind} {job.task.key}" for job in all_jobs())


def test_it_is_queued_with_its_job_in_the_lane_of_its_purpose() -> None:
    notice = template(purpose="transactional").template_id
    one, other = asked(template().template_id), asked(notice, source="notice:order_shipped")
    queue(one)
    queue(other)
    stored = queries.message(one.message_id)
    assert (stored.version, stored.value.state, stored.value.values) == (1, "queued", {"product": "茶"})
    assert owed() == [f"o messaging.push_notice {other.message_id}", f"p messaging.push {one.message_id}"]


def test_what_a_journey_sends_never_stands_before_a_refund_whatever_it_is_for() -> None:
    one = asked(template(purpose="transactional").template_id, source="journey:j1")
    queue(one)
    assert owed() == [f"p messaging.push {one.message_id}"]


def test_what_is_there_stays_as_it_is() -> None:
    one = asked(template().template_id)
    queue(one)
    item = read.get(Messages, one.message_id)
    assert item is not None
    item.version, item.member_id = 7, "m-moved"
    save(item)
    queue(one)
    again = read.get(Messages, one.message_id)
    assert again is not None and (int(again.version), again.member_id) == (7, "m-moved")
    assert again.attribute_values == item.attribute_values


def test_before_its_time_its_job_waits() -> None:
    later = clock.now() + timedelta(hours=1)
    queue(asked(template().template_id, not_before=later))
    [job] = all_jobs()
    assert job.due.startswith(clock.stamp(later)) and not job.at_once


class Ended(list[str]):
    """Whom what has ended is told: a list."""

    def ended(self, _tx: Transaction, message: Message) -> None:
        """Remember which, and why."""
        self.append(f"{message.message_id} {message.reason}")

    def task_done(self, _tx: Transaction, _task: object) -> None:
        """Nothing."""


def test_who_asks_goes_on_where_the_template_is_gone_and_hears_that_nobody_got_it() -> None:
    ended, source = Ended(), f"journey:{ids.new('j')}"
    one = queue(asked("mt-none", member(), run="run1", source=source))
    with registered(ports.register_results, ports.results, ended), platforms() as outside:
        run()
    assert state(one) == "dropped:template_gone" and outside.took == []
    assert ended == [f"{one} template_gone"] and queries.counts(source) == {"-|dropped:template_gone": 1}


def test_who_asks_goes_on_where_the_template_cannot_be_read_and_its_messages_wait_until_they_are_over(
    mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_noon(mall_clock)
    made = template(purpose="transactional")

    def unreadable(_template_id: str) -> Template:
        raise msgspec.ValidationError("a purpose of the version after this one")

    with monkeypatch.context() as patch, platforms() as outside:
        patch.setattr(queries, "fresh_template", unreadable)
        cache.forget(queries.CACHE)
        now = clock.now()
        short, long = (queue(asked(made.template_id, member(), expires_at=now + timedelta(hours=n))) for n in (1, 3))
        run()
        assert (state(short), state(long), outside.took) == ("queued", "queued", [])
        run(mall_clock, 3700)
        assert (state(short), state(long), outside.took) == ("dropped:expired", "queued", [])
    with platforms() as outside:
        run(mall_clock, 700)
    assert outside.of(long) == ["sms"] and found(long).purpose == "transactional"
