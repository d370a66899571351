"""A message is queued with what it follows from; asked for twice it is one, whatever has become of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.growth.messaging import queries
from chalicelib.growth.messaging.outgoing import service as outgoing
from chalicelib.growth.messaging.rules import Asked, Template
from chalicelib.growth.messaging.tables import ALL, Messages, MessageTemplates
from chalicelib.platform.jobs.queue import shards
from chalicelib.platform.jobs.tables import table_of
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, save

pytestmark = pytest.mark.usefixtures("no_jobs")


def template(**changes: Any) -> Template:
    fields = {"template_id": ids.new("mt"), "version": 1, "name": "到货", "purpose": "service", "media": ["sms"],
              "text": "{product}到了", "vars": ["product"], "created_at": clock.now(),
              "updated_at": clock.now()}  # fmt: skip
    made = Template(**{**fields, **changes})
    save(MessageTemplates(ALL, made.template_id, template=made))
    return made


def asked(template_id: str, **changes: Any) -> Asked:
    fields = {"message_id": ids.new("ms"), "member_id": ids.new("m"), "template_id": template_id,
              "values": {"product": "茶"}, "source": "journey:j1",
              "expires_at": clock.now() + timedelta(days=1)}  # fmt: skip
    return Asked(**{**fields, **changes})


def queue(one: Asked) -> None:
    tx = Transaction()
    outgoing.queue(tx, one)
    assert len(tx) == outgoing.ACTIONS
    tx.commit()


def owed() -> list[str]:
    return [
        f"{shard[0]} {job.task.kind} {job.task.key}"
        for shard in shards()
        for job in read.query_all(table_of(shard), shard, consistent=True)
    ]


def test_it_is_queued_with_its_job_in_the_lane_of_its_purpose() -> None:
    one, other = asked(template().template_id), asked(template(purpose="transactional").template_id)
    queue(one)
    queue(other)
    found = queries.message(one.message_id)
    assert (found.version, found.value.state, found.value.values) == (1, "queued", {"product": "茶"})
    assert sorted(owed()) == sorted(
        [f"m messaging.push {one.message_id}", f"o messaging.push_notice {other.message_id}"]
    )


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
    [job] = [job for shard in shards() for job in read.query_all(table_of(shard), shard, consistent=True)]
    assert job.due.startswith(clock.stamp(later)) and not job.at_once


def test_there_is_no_message_without_a_template() -> None:
    with pytest.raises(MallError, match="not_found"):
        queue(asked("mt-none"))
