"""What concerns orders is sent beside refunds, and all else in a lane of its own; each has all that sending takes, also
where it remembers nothing, and no token is good any more."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from chalicelib.core import clock
from chalicelib.gateways.wechat import mini, oa
from chalicelib.growth.messaging.contacts import queries as contacts
from chalicelib.growth.messaging.contacts import service as contact
from chalicelib.growth.messaging.limits.rules import MediaRules
from chalicelib.growth.messaging.rules import Form
from chalicelib.growth.messaging.sending.queries import day_now, spent_on
from chalicelib.growth.messaging.settings import MEDIA
from chalicelib.growth.messaging.tasks.tables import Tasks
from chalicelib.platform.store import tools
from local.client import Shopper
from local.clock import LocalClock
from tests.support.followers import follows
from tests.support.messages import (
    asked,
    left_of,
    lets_through,
    member,
    platforms,
    queue,
    run,
    set_phone,
    state,
    template,
    to_noon,
)

pytestmark = pytest.mark.usefixtures("own_tables", "no_jobs")
LANES = pytest.mark.parametrize("source", ["notice:order_shipped", "journey:j1"])


@pytest.fixture
def budget(own_tables: None) -> Iterator[None]:
    """What SMS cost in a day is bounded."""
    MEDIA.change(MediaRules(sms_fen=7, sms_daily_budget_fen=7000))
    yield
    MEDIA.change(MediaRules())


@LANES
def test_a_message_goes_out_by_each_medium(source: str, budget: None, mall_clock: LocalClock) -> None:
    to_noon(mall_clock)
    who = member(follows=True)
    lets_through(who, "tpl-q")
    contact.wrote(who, "oa", f"oa-{who}", "message", clock.now(), source)
    forms = {"subscribe": Form("tpl-q"), "oa": Form(), "sms": Form(), "call": Form()}
    made = {one: template(purpose="transactional", media=[one], forms={one: forms[one]}).template_id for one in forms}
    ids = [queue(asked(made[one], who, source=source)) for one in made]
    spent = sum(spent_on(day_now()))
    with platforms() as outside:
        run(mall_clock, 2)  # whoever sends remembers nothing of who has queued it
    assert [state(one) for one in ids] == ["sent"] * 4
    assert [outside.of(one) for one in ids] == [["subscribe"], ["oa_text"], ["sms"], []]
    window = contacts.stored(who).value.oa
    assert window is not None and window.left == 4
    assert (left_of(who, "tpl-q"), sum(spent_on(day_now())) - spent) == (0, 7)
    assert [item.task.source for item in tools.scan(Tasks) if item.member_id == who] == [source]


@LANES
def test_a_message_goes_out_also_where_the_tokens_of_the_accounts_have_run_out(
    source: str, shopper: Shopper, mall_clock: LocalClock
) -> None:
    to_noon(mall_clock)
    who, wechat = shopper.member_id, shopper.sandbox
    assert follows(shopper, shopper.user) == who
    set_phone(who, f"139{secrets.randbelow(10**8):08}")
    openid = wechat.post("oa/message", {"user": shopper.user, "text": "在吗"})["openid"]
    wechat.post("subscribe", {"user": shopper.user, "template_id": "sub-notice", "accept": True})
    lets_through(who, "sub-notice")
    says = "{product}"
    forms = {
        "subscribe": Form("sub-notice", {"thing1": says}), "oa": Form("oa-notice", {"thing1": says}),
        "sms": Form("SMS_1004", {"text": says}),
    }  # fmt: skip
    made = {one: template(purpose="transactional", media=[one], forms={one: forms[one]}).template_id for one in forms}

    accounts = {"subscribe": mini.account, "oa": oa.account}

    def sent(*media: str) -> list[str]:
        for medium in accounts.keys() & media:
            accounts[medium].keep("run-out", clock.unix() + 3600)
        ids = [queue(asked(made[medium], who, source=source)) for medium in media]
        run()
        return [state(one) for one in ids]

    assert sent("subscribe", "oa", "sms") == ["sent"] * 3
    contact.wrote(who, "oa", openid, "message", clock.now(), "wrote")
    assert sent("oa") == ["sent"]  # as a text, which answers them
    assert "run-out" not in [one.access_token() for one in accounts.values()]
