"""A message is queued with what it follows from; asked for twice it is one, whatever has become of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.growth.messaging import queries
from chalicelib.growth.messaging.tables import Messages
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import save
from local.jobs import all_jobs
from tests.support.messages import asked, queue, template

pytestmark = pytest.mark.usefixtures("no_jobs")


def owed() -> list[str]:
    return sorted(f"{job.shard[0]} {job.task.kind} {job.task.key}" for job in all_jobs())


def test_it_is_queued_with_its_job_in_the_lane_of_its_purpose() -> None:
    one, other = asked(template().template_id), asked(template(purpose="transactional").template_id)
    queue(one)
    queue(other)
    found = queries.message(one.message_id)
    assert (found.version, found.value.state, found.value.values) == (1, "queued", {"product": "茶"})
    assert owed() == [f"o messaging.push_notice {other.message_id}", f"p messaging.push {one.message_id}"]


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


def test_there_is_no_message_without_a_template() -> None:
    with pytest.raises(MallError, match="not_found"):
        queue(asked("mt-none"))
