"""What is kept of a person about messages is exported, forgotten, handed on to who returns, and moves as two become
one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members.merging import service as merging
from chalicelib.customers.members.privacy import service as privacy
from chalicelib.customers.members.settings import MEMBERS
from chalicelib.growth.messaging import personal_data, queries
from chalicelib.growth.messaging.allowances import service as allowances
from chalicelib.growth.messaging.allowances.rules import Said
from chalicelib.growth.messaging.contacts import queries as contacts
from chalicelib.growth.messaging.contacts import service as contact
from chalicelib.growth.messaging.inputs import MessagesQuery
from chalicelib.growth.messaging.listing import service as listing
from chalicelib.growth.messaging.listing.queries import ids_of
from chalicelib.growth.messaging.preferences.inputs import ChoicesInput, PreferencesInput
from chalicelib.growth.messaging.preferences.service import prefer
from chalicelib.growth.messaging.rules import Choices, Form, Preferences
from chalicelib.growth.messaging.tables import Contacts, Messages, ref_of
from chalicelib.growth.messaging.tasks.tables import Tasks
from chalicelib.platform.store import read, tools
from local.clock import LocalClock
from tests.support.distribution import run_jobs
from tests.support.merging import absorb, redirect, settle
from tests.support.messages import (
    Platforms,
    asked,
    found,
    left_of,
    lets_through,
    member,
    openid_of,
    platforms,
    queue,
    run,
    state,
    template,
    to_noon,
)

pytestmark = pytest.mark.usefixtures("own_tables")
OWNERS = {owner.name: owner for owner in personal_data.DATA_OWNERS}


@pytest.fixture
def outbox(own_tables: None, no_jobs: None, mall_clock: LocalClock) -> Iterator[Platforms]:
    to_noon(mall_clock)
    with platforms() as made:
        yield made


def prefers(member_id: str, **wishes: Any) -> None:
    contact.change(member_id, lambda before: msgspec.structs.replace(before, preferences=Preferences(**wishes)))


def pages(name: str, member_id: str) -> list[Any]:
    return OWNERS[name].pages(member_id, None)[0]


def test_everything_is_in_the_export(outbox: Platforms) -> None:
    who = member(follows=True)
    lets_through(who, "tpl-e")
    prefers(who, media=Choices(call=False))
    one = queue(asked(template().template_id, who))
    run()
    [shown] = pages("messages", who)
    assert (shown["message_id"], shown["text"], shown["values"]) == (one, "茶到了", {"product": "茶"})
    [kept] = pages("message_preferences", who)
    assert kept["allowances"] == [{"template_id": "tpl-e", "openid": openid_of(who), "left": 1}]
    assert [each.message_id for each in kept["sends"]] == [one]
    assert kept["preferences"].media.call is False
    assert pages("message_preferences", member()) == []


def test_who_leaves_takes_their_messages_along_and_returns_to_their_caps(
    outbox: Platforms, mall_clock: LocalClock
) -> None:
    who = member()
    lets_through(who, "tpl-f")
    prefers(who, media=Choices(oa=False))
    made = template().template_id
    one, waits = queue(asked(made, who)), queue(asked(made, who, not_before=clock.now() + timedelta(hours=1)))
    run()
    ref = found(one).ref
    privacy.erase(who)
    for owner in (*personal_data.DATA_OWNERS, *personal_data.DATA_OWNERS):
        owner.erase(who)
    assert pages("messages", who) == [] == ids_of(who, 10, None)[0]
    assert read.get(Messages, ref_of("sms", ref)) is None
    assert queries.find(one) is None and queries.find(waits) is None
    (kept,) = read.query_all(Contacts, who, consistent=True)
    left_for = timedelta(days=MEMBERS.current().returning_days)
    assert kept.part == "me" and abs(kept.expires - clock.now() - left_for) < timedelta(minutes=1)
    assert queries.counts("journey:j1")["sms|sent"] >= 1
    run(mall_clock, 3700)
    assert len(outbox.took) == 1
    back = member()
    OWNERS["message_preferences"].hand_on(who, back)
    OWNERS["message_preferences"].hand_on(who, back)
    stored = contacts.stored(back).value
    assert [each.message_id for each in stored.log] == [one]
    assert stored.preferences.media.oa is False
    second = queue(asked(made, back))
    run()
    assert state(second) == "dropped:capped"


def test_two_who_are_one_keep_every_opt_out_and_every_send(outbox: Platforms) -> None:
    former, who = member(), member()
    made = template(media=["sms"]).template_id
    one, two = queue(asked(made, former)), queue(asked(made, who))
    run()
    lets_through(former, "tpl-m", 2)
    lets_through(who, "tpl-m")
    prefers(former, marketing=False)
    prefers(who, media=Choices(oa=False, sms=True))
    redirect(former, who)
    before_it_moved = queue(asked(template(media=["sms"], purpose="marketing").template_id, who))
    run()
    assert state(before_it_moved) == "dropped:opted_out"  # the former's word holds before anything is moved
    for _ in range(2):
        absorb(personal_data.DATA_OWNERS, former, who)
    settle(who)
    stored = contacts.stored(who).value
    assert {each.message_id for each in stored.log} == {one, two}
    assert (stored.preferences.marketing, stored.preferences.media) == (False, Choices(oa=False, sms=True))
    assert left_of(who, "tpl-m") == 3
    assert set(ids_of(who, 10, None)[0]) >= {one, two}
    assert found(one).member_id == who
    assert list(read.query_all(Contacts, former, consistent=True)) == []
    assert ids_of(former, 10, None)[0] == []
    shown, _ = listing.page(MessagesQuery(member_id=former))
    assert {one.message_id for one in shown} >= {one, two}


def test_what_was_let_through_by_either_and_meanwhile_counts_together(outbox: Platforms) -> None:
    pair = [member(), member()]
    openids = {one: openid_of(one) for one in pair}
    call = template(media=["call"]).template_id
    for one in pair:
        lets_through(one, "tpl-o")
        queue(asked(call, one))
    run()
    merge = merging.unite(*pair, "code")
    allowances.heard(merge.survivor, openids[merge.former], [Said("tpl-o", "accept", "meanwhile")])
    run_jobs()
    assert left_of(merge.survivor, "tpl-o") == 3
    assert list(read.query_all(Contacts, merge.former, consistent=True)) == []
    found_tasks = [item.task for item in tools.scan(Tasks) if item.member_id in pair]
    assert [one.member_id for one in found_tasks] == [merge.survivor] * 2


def test_what_was_queued_for_the_former_goes_to_who_they_are(outbox: Platforms) -> None:
    former, who = member(phone="13900139000"), member(phone="13700137000")
    made = template(media=["subscribe", "sms"], forms={"subscribe": Form("tpl-n")})
    lets_through(former, "tpl-n")
    one = queue(asked(made.template_id, former))
    redirect(former, who)
    run()
    assert (state(one), outbox.took[-1].way) == ("sent", "subscribe")
    assert [each.message_id for each in contacts.stored(who).value.log] == [one]
    assert left_of(who, "tpl-n") == 0


def test_what_members_said_is_kept_with_when_and_how_and_is_in_the_export(
    outbox: Platforms, mall_clock: LocalClock
) -> None:
    who, start = member(), clock.now()
    prefer(who, PreferencesInput(media=ChoicesInput(sms=True), personalised=False))
    mall_clock.advance(60)
    contact.opt_out(who, "sms", "reply", start + timedelta(seconds=30))
    prefer(who, PreferencesInput(marketing=True, media=ChoicesInput(sms=False, call=None), personalised=False))
    prefer(who, PreferencesInput())
    [kept] = pages("message_preferences", who)
    assert [(one.what, one.says, one.source) for one in kept["said"]] == [
        ("sms", True, "member"), ("personalised", False, "member"), ("sms", False, "reply"), ("sms", False, "member"),
    ]  # fmt: skip
    assert [round((one.at - start).total_seconds()) for one in kept["said"]] == [0, 0, 30, 60]
    privacy.erase(who)
    OWNERS["message_preferences"].erase(who)
    assert contacts.stored(who).value.said == [kept["said"][1], kept["said"][3]]


def test_what_was_agreed_to_ends_with_the_account_and_what_was_not_wanted_does_not(outbox: Platforms) -> None:
    who, back = member(), member()
    prefer(who, PreferencesInput(marketing=False, media=ChoicesInput(sms=True, call=False)))
    privacy.erase(who)
    OWNERS["message_preferences"].erase(who)
    OWNERS["message_preferences"].hand_on(who, back)
    stored = contacts.stored(back).value
    assert (stored.preferences.marketing, stored.preferences.media) == (False, Choices(call=False))
    assert [(one.what, one.says) for one in stored.said] == [("marketing", False), ("call", False)]


def test_nothing_is_said_any_more_by_who_has_just_become_another(outbox: Platforms) -> None:
    former, who = member(), member()
    prefers(former, media=Choices(call=False))
    redirect(former, who)
    with pytest.raises(MallError, match="conflict"):  # it was read before, and is written behind the merge
        contact.change(former, lambda before: msgspec.structs.replace(before, preferences=Preferences(marketing=False)))
    contact.opt_out(former, None, "member")
    assert contacts.stored(who).value.preferences.marketing is False
    assert contacts.stored(former).value.preferences.marketing is True
