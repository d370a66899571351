"""The crash sweep over withdrawals: asked for, reviewed, handed to WeChat, confirmed, called off, failed, refused.

Each with a fault at its k-th call that may change something (to DynamoDB or to WeChat) for every k, and once with every
call failing at first. In the end the member has been paid once or has the money again, and nothing is in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from chalicelib.gateways.wechat import transfers
from chalicelib.gateways.wechat.errors import WechatError
from local.client import Operator, Sandbox, Shopper, in_process
from local.clock import LocalClock
from local.jobs import forget_all
from tests.support.operators import owner_token
from tests.support.outside import Outside, may_change
from tests.support.sweep import Steps, Sweep, World, dead_jobs, struck_again_and_again, struck_once
from tests.support.withdrawals import (
    PLENTY_FEN,
    balance,
    bill,
    differences,
    earner,
    end,
    mine,
    set_rules,
    transfer_callback,
    withdraw,
)

PUSH = "payouts.push_withdrawal"
HAS = 100_000
SMALL, LARGE = 10_000, 60_000
DAY = 86400


@dataclass
class Payout(World):
    """A distributor, and the one withdrawal that they will have made."""

    shopper: Shopper
    number: str = ""

    @property
    def path(self) -> str:
        return f"/v1/admin/withdrawals/{self.number}"

    def at_wechat(self) -> None:
        self.number = withdraw(self.shopper, SMALL)["withdrawal_id"]
        self.work(PUSH)


@dataclass
class Flow(Steps[Payout]):
    """And how it must end: its state there and here, and of the balance what is left, on its way and paid."""

    state: str
    wechat: str | None
    left: tuple[int, int, int]


@pytest.fixture
def sweep(dynamodb: str, sandbox: str, mall_clock: LocalClock, outside: Outside) -> Iterator[Sweep[Flow, Payout]]:
    send, wechat = in_process(), Sandbox(sandbox)
    wechat.post("balance", {"available_fen": PLENTY_FEN})
    operator = Operator(send, owner_token())
    set_rules(operator, fee_bp=100)

    def new_world(flow: Flow) -> Payout:
        forget_all()
        openid = "o" * 65 if flow.name in ("refused", "refused, ten minutes on") else ""  # which WeChat takes for none
        shopper = earner(send, wechat, HAS, openid=openid)
        return Payout(send, wechat, mall_clock, operator, shopper)

    yield Sweep(outside, new_world, _check, may_change)
    operator.put("/v1/admin/settings/withdrawals", {}).ok()
    wechat.post("balance", {"available_fen": PLENTY_FEN})  # no payment stands behind what was sent here


def _call_off(world: Payout) -> None:
    world.operator.post(world.path + "/cancel", {"reason": "账户待核实"})
    world.work("payouts")


def _call_off_again(world: Payout) -> None:
    world.operator.post(world.path + "/cancel", {"reason": "账户待核实"}).ok()
    for seconds in (11, 605):  # WeChat takes 5 s; of what it has not heard of it never will after ten minutes
        world.clock.advance(seconds)
        world.rest()


def _called_off(world: Payout) -> None:
    world.at_wechat()
    world.operator.post(world.path + "/cancel", {"reason": "账户待核实"}).ok()
    world.work("payouts")


def _at_wechat(world: Payout) -> None:
    world.at_wechat()


def _parked(world: Payout) -> None:
    world.sandbox.post("faults", {"path": "/v3/fund-app/mch-transfer", "kind": "not_enough"})
    world.at_wechat()


def _asked_in_time(world: Payout) -> None:
    world.clock.advance(11)
    world.work("payouts")


def _nothing_to_call_off(world: Payout) -> None:
    _parked(world)
    world.operator.post(world.path + "/cancel", {"reason": "账户待核实"}).ok()
    world.work("payouts")


def _ten_minutes_later(world: Payout) -> None:
    world.clock.advance(605)
    world.work("payouts")


def _nothing(world: Payout) -> None:
    pass


def _withdraw(world: Payout) -> None:
    world.shopper.post("/v1/distributor/withdrawals", {"amount_fen": SMALL}, key="k")
    world.work(PUSH)


def _withdraw_again(world: Payout) -> None:
    world.number = withdraw(world.shopper, SMALL, "k")["withdrawal_id"]


def _reviewing(world: Payout) -> None:
    world.number = withdraw(world.shopper, LARGE)["withdrawal_id"]


def _approve(world: Payout) -> None:
    world.operator.post(world.path + "/approve")


def _approve_again(world: Payout) -> None:
    world.operator.post(world.path + "/approve").ok()


def _reject(world: Payout) -> None:
    world.operator.post(world.path + "/reject", {"reason": "资料不符"})


def _reject_again(world: Payout) -> None:
    world.operator.post(world.path + "/reject", {"reason": "资料不符"}).ok()


def _ended(outcome: str) -> Callable[[Payout], None]:
    def before(world: Payout) -> None:
        world.at_wechat()
        end(world.sandbox, world.number, outcome)

    return before


def _notice(world: Payout) -> None:
    world.send(*transfer_callback(world.sandbox, world.number))


def _notice_again(world: Payout) -> None:
    world.send(*transfer_callback(world.sandbox, world.number)).ok()


def _asked(world: Payout) -> None:
    world.clock.advance(11)
    world.work(PUSH)


def _day_over(world: Payout) -> None:
    world.at_wechat()
    world.clock.advance(DAY + 60)


def _refused_thrice(world: Payout) -> None:
    world.at_wechat()
    for _ in range(2):
        _asked_a_minute_later(world)


def _asked_a_minute_later(world: Payout) -> None:
    world.clock.advance(60)
    world.work(PUSH)


def _refused_for_good(world: Payout) -> None:
    _refused_thrice(world)
    for _ in range(2):
        _asked_a_minute_later(world)


def _given_up(world: Payout) -> None:
    world.rest()
    world.clock.advance(605)


def _refused_though_there(world: Payout) -> None:
    """Its first request is on its way for minutes; the mall is refused meanwhile, and sends nothing more."""
    transfer = transfers.transfer
    late: list[transfers.TransferRequest] = []

    def refused(request: transfers.TransferRequest) -> None:
        late.append(request)
        raise WechatError("NO_AUTH", http=403)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfers, "transfer", refused)
        world.at_wechat()
        for _ in range(4):
            _asked_a_minute_later(world)
    transfer(late[0])
    end(world.sandbox, world.number, "confirm")


def _cancel_refused(world: Payout) -> None:
    path = f"/out-bill-no/{world.number}/cancel"
    world.sandbox.post("faults", {"path": path, "kind": "error", "code": "SOME_NEW_WORD", "times": 1})
    _call_off(world)


def _confirmed_meanwhile(world: Payout) -> None:
    end(world.sandbox, world.number, "confirm")
    world.operator.post(world.path + "/ask-wechat").ok()


ON_ITS_WAY, PAID, AGAIN = (HAS - SMALL, SMALL, 0), (HAS - SMALL, 0, SMALL), (HAS, 0, 0)
LARGE_ON_ITS_WAY = (HAS - LARGE, LARGE, 0)

FLOWS = [
    Flow("withdraw", _nothing, _withdraw, _withdraw_again, "awaiting_confirmation", "WAIT_USER_CONFIRM", ON_ITS_WAY),
    Flow(
        "approve", _reviewing, _approve, _approve_again, "awaiting_confirmation", "WAIT_USER_CONFIRM", LARGE_ON_ITS_WAY
    ),
    Flow("reject", _reviewing, _reject, _reject_again, "failed", None, AGAIN),
    Flow("confirmed", _ended("confirm"), _notice, _notice_again, "succeeded", "SUCCESS", PAID),
    Flow("confirmed, notice lost", _ended("confirm"), _asked, _nothing, "succeeded", "SUCCESS", PAID),
    Flow("failed", _ended("fail"), _notice, _notice_again, "failed", "FAIL", AGAIN),
    Flow("nobody confirms", _day_over, _asked, _nothing, "failed", "FAIL", AGAIN),
    Flow("called off", _at_wechat, _call_off, _call_off_again, "failed", "CANCELLED", AGAIN),
    Flow("called off, and asked for", _called_off, _asked_in_time, _nothing, "failed", "CANCELLED", AGAIN),
    Flow("called off, not at WeChat", _parked, _call_off, _call_off_again, "failed", None, AGAIN),
    Flow("never at WeChat", _nothing_to_call_off, _ten_minutes_later, _nothing, "failed", None, AGAIN),
    Flow("refused", _refused_thrice, _asked_a_minute_later, _given_up, "failed", None, AGAIN),
    Flow("refused, ten minutes on", _refused_for_good, _ten_minutes_later, _nothing, "failed", None, AGAIN),
    Flow("refused, and there", _refused_though_there, _ten_minutes_later, _nothing, "succeeded", "SUCCESS", PAID),
    Flow("called off, refused there", _at_wechat, _cancel_refused, _confirmed_meanwhile, "succeeded", "SUCCESS", PAID),
]


test_wherever_it_is_struck_nobody_is_paid_twice_and_nothing_is_lost = struck_once(FLOWS)
test_when_every_call_fails_at_first_it_ends_alike = struck_again_and_again(FLOWS)


def _check(flow: Flow, world: Payout) -> None:
    ended = mine(world.shopper, world.number)
    assert (ended["state"], balance(world.shopper)) == (flow.state, flow.left)
    assert bool(ended.get("package_info")) == (flow.state == "awaiting_confirmation")
    at_wechat = bill(world.sandbox, world.number)
    assert (at_wechat and at_wechat["state"]) == flow.wechat
    assert differences(world.sandbox, world.shopper) == []
    assert dead_jobs() == []
