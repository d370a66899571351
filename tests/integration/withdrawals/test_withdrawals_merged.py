"""Withdrawals of somebody who logs in as two: each session is paid to its own login, and a retry is no second one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.settings import settings
from chalicelib.customers.members.queries import profile
from chalicelib.customers.members.tables import Identities, mini_identity
from chalicelib.platform.store.transaction import save
from tests.support.growth_merges import absorb
from tests.support.merging import redirect, settle
from tests.support.withdrawals import PATH, balance, bill, differences, earner, end, mine, run_jobs, withdraw

if TYPE_CHECKING:
    from local.client import Operator, Sandbox
    from local.clock import LocalClock


def test_the_old_token_goes_on_and_each_login_is_paid_what_it_asked_for(
    operator: Operator, wechat: Sandbox, mall_clock: LocalClock
) -> None:
    shopper, former = earner(operator.send, wechat, 100_000), earner(operator.send, wechat, 50_000)
    openid = profile(former.member_id).openid
    save(Identities(mini_identity(settings().wechat_appid, openid), member_id=former.member_id))
    begun = withdraw(former, 10_000, "once")["withdrawal_id"]
    redirect(former.member_id, shopper.member_id)
    mall_clock.advance(2)  # what is remembered of the former member is a second old at most
    assert withdraw(former, 10_000, "once")["withdrawal_id"] == begun
    assert mine(shopper, begun)["withdrawal_id"] == mine(former, begun)["withdrawal_id"] == begun
    absorb(former.member_id, shopper.member_id)
    again = withdraw(former, 20_000)["withdrawal_id"]
    own = withdraw(shopper, 30_000)["withdrawal_id"]
    run_jobs()
    assert {number: bill(wechat, number)["openid"] for number in (begun, again, own)} == {
        begun: openid, again: openid, own: profile(shopper.member_id).openid,
    }  # fmt: skip
    former.post(PATH, {"amount_fen": 100}, key="four").refused(422, "withdrawal_limit")
    for number, outcome in ((begun, "confirm"), (again, "fail"), (own, "confirm")):
        end(wechat, number, outcome)
    run_jobs(mall_clock, 700)
    absorb(former.member_id, shopper.member_id)
    settle(shopper.member_id)
    assert balance(shopper) == (110_000, 0, 40_000)
    assert [mine(shopper, number)["state"] for number in (begun, again, own)] == ["succeeded", "failed", "succeeded"]
    assert len(shopper.get(PATH).ok()["items"]) == 3
    assert differences(wechat, shopper, former) == []
