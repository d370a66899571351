"""A mall whose distributors withdraw: plenty of money at WeChat, an owner, a distributor with 1,000 yuan.

What names tables is imported in the fixtures: this file may be read before the environment stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from local.client import Operator, Sandbox, Shopper
    from local.clock import LocalClock


@pytest.fixture
def wechat(sandbox: str) -> Iterator[Sandbox]:
    from local.client import Sandbox
    from tests.support.withdrawals import PLENTY_FEN

    wechat = Sandbox(sandbox)
    wechat.post("balance", {"available_fen": PLENTY_FEN})
    yield wechat
    wechat.post("balance", {"available_fen": PLENTY_FEN})  # no payment stands behind what was sent here


@pytest.fixture
def operator(dynamodb: str, wechat: Sandbox, mall_clock: LocalClock) -> Iterator[Operator]:
    from local.client import Operator, in_process
    from local.jobs import forget_all
    from tests.support.operators import owner_token
    from tests.support.withdrawals import set_rules

    forget_all()
    operator = Operator(in_process(), owner_token())
    set_rules(operator)
    yield operator
    operator.put("/v1/admin/settings/withdrawals", {}).ok()


@pytest.fixture
def shopper(operator: Operator, wechat: Sandbox) -> Iterator[Shopper]:
    """A distributor with 1,000 yuan; whatever a test does, the books agree in the end and no job has died."""
    from tests.support.sweep import dead_jobs
    from tests.support.withdrawals import differences, earner

    shopper = earner(operator.send, wechat, 100_000)
    yield shopper
    assert differences(wechat, shopper) == []
    assert dead_jobs() == []
