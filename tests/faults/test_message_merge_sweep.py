"""The crash sweep over two members who become one, as messages keep them: what they wanted, what was sent to them, what
they let through, and what still waits. Each keeper's steps are struck at every call that may change something; then all
are taken again, as the job does, and nothing is lost or there twice."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.growth.messaging import personal_data
from chalicelib.growth.messaging.checks import audit
from chalicelib.growth.messaging.contacts import queries as contacts
from chalicelib.growth.messaging.contacts import service as contact
from chalicelib.growth.messaging.listing.queries import ids_of
from chalicelib.growth.messaging.rules import Choices, Preferences
from chalicelib.growth.messaging.tables import Contacts
from chalicelib.platform.store import read
from local.client import Operator, Sandbox, in_process
from local.clock import LocalClock
from tests.support.merging import absorb, redirect, settle
from tests.support.messages import (
    asked,
    found,
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
from tests.support.outside import Outside, may_change
from tests.support.sweep import Steps, Sweep, World, dead_jobs, struck_again_and_again, struck_once
from tools import growth_books


@dataclass
class Play(World):
    """Two members: each was written to, has let something through, and does not want something; one message waits."""

    former: str = ""
    member_id: str = ""
    sent: tuple[str, str] = ("", "")
    waits: str = ""

    def become_one(self) -> None:
        to_noon(self.clock)
        made = template().template_id
        self.former, self.member_id = member(), member()
        with platforms():
            self.sent = (queue(asked(made, self.former)), queue(asked(made, self.member_id)))
            run()
        lets_through(self.former, "tpl-w", 2)
        lets_through(self.former, "tpl-x")
        lets_through(self.member_id, "tpl-w")
        for one, wishes in ((self.former, Choices(oa=False)), (self.member_id, Choices(sms=True))):
            contact.change(one, lambda before, told=wishes: wanting(before, told))  # type: ignore[misc]
        self.waits = queue(asked(made, self.former, message_id=ids.new("ms")))
        redirect(self.former, self.member_id)

    def absorb(self) -> None:
        try:
            absorb(personal_data.DATA_OWNERS, self.former, self.member_id)
        except MallError as fault:
            assert fault.code == "unavailable"

    def again(self) -> None:
        self.absorb()
        settle(self.member_id)
        with platforms():
            run()


def wanting(before: contacts.Contact, wishes: Choices) -> contacts.Contact:
    return msgspec.structs.replace(before, preferences=Preferences(media=wishes))


FLOWS = [Steps("two become one", Play.become_one, Play.absorb, Play.again)]


@pytest.fixture
def sweep(outside: Outside, own_tables: None, sandbox: str, mall_clock: LocalClock) -> Sweep[Steps[Play], Play]:
    operator = Operator(in_process(), "")

    def new_world(_: Steps[Play]) -> Play:
        return Play(operator.send, Sandbox(sandbox), mall_clock, operator)

    def check(_: Steps[Play], play: Play) -> None:
        stored = contacts.stored(play.member_id).value
        assert {one.message_id for one in stored.log} == set(play.sent)
        assert stored.preferences.media == Choices(oa=False, sms=True)
        assert (left_of(play.member_id, "tpl-w"), left_of(play.member_id, "tpl-x")) == (3, 1)
        assert list(read.query_all(Contacts, play.former, consistent=True)) == []
        assert set(ids_of(play.member_id, 10, None)[0]) == {*play.sent, play.waits}
        assert {found(one).member_id for one in (*play.sent, play.waits)} == {play.member_id}
        assert state(play.waits) == "dropped:capped"  # one SMS in seven days, to the one person
        assert audit(growth_books.messages(), clock.now()) == []
        assert dead_jobs() == []

    return Sweep(outside, new_world, check, may_change)


test_wherever_it_is_struck_the_two_are_one_to_messages = struck_once(FLOWS)
test_when_every_call_fails_at_first_they_are = struck_again_and_again(FLOWS)
