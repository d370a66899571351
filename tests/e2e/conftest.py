"""The mall as its users meet it: over HTTP, with WeChat's sandbox behind it and a clock that can be moved."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from local.client import Control, Operator, Sandbox, Shopper, Transport, over_http
from local.clock import LocalClock
from local.mall import Mall
from local.owner import NAME
from local.processes import ROOT


@pytest.fixture
def send(mall: Mall) -> Transport:
    return over_http(mall.api_url)


@pytest.fixture
def wechat(mall: Mall) -> Sandbox:
    return Sandbox(mall.sandbox_url)


@pytest.fixture
def control(mall: Mall) -> Control:
    return Control(mall.control_url)


@pytest.fixture
def operator(mall: Mall, send: Transport) -> Operator:
    """The operator of the mall, as after a login at its present time, whose password costs a third of a second to
    check; and for as long as a test moves the clock."""
    from chalicelib.core import clock, settings  # only now: tables are named after the environment
    from chalicelib.platform.web import tokens

    here, now = settings._environment, clock.from_ms(int(LocalClock(mall.clock_file)() * 1000))
    settings.use(mall.environment)
    token = tokens.issue("operator", NAME, now + timedelta(days=36500), now)
    settings.use(here)
    return Operator(send, token)


@pytest.fixture
def arrive(mall: Mall, wechat: Sandbox) -> Callable[[], Shopper]:
    """Somebody new, over a connection of their own."""
    return lambda: Shopper.arrive(over_http(mall.api_url), wechat)


@pytest.fixture
def shopper(arrive: Callable[[], Shopper]) -> Shopper:
    return arrive()


@pytest.fixture
def differences(mall: Mall) -> Callable[[], list[str]]:
    """Audits the whole mall, everything that earlier tests did in it included; what does not agree."""

    def audit() -> list[str]:
        code = (
            "from pathlib import Path; from chalicelib.core import clock; from local.clock import LocalClock; "
            f"clock.use(LocalClock(Path({str(mall.clock_file)!r}))); "
            "from tools.audit import differences as d; print(*(f'{x.about}: {x.what}' for x in d(%r)), sep='\\n')"
        )
        done = subprocess.run(
            [sys.executable, "-c", code % mall.sandbox_url], cwd=ROOT, env=mall.environment, capture_output=True,
            text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout.split("\n")[:-1] if done.stdout.strip() else []

    return audit


#: Two levels, and a week until a commission is settled.
DISTRIBUTION = {"enabled": True, "levels": 2, "rates_bp": [1000, 500], "freeze_days": 7}


@pytest.fixture
def distribution(operator: Operator) -> Iterator[Callable[..., Any]]:
    """Set the rules of distribution, which is switched off afterwards."""

    def put(**more: Any) -> Any:
        return operator.put("/v1/admin/settings/distribution", DISTRIBUTION | more).ok()

    put()
    yield put
    operator.token = Operator.arrive(operator.send).token  # the days of a test may have outlived the login
    put(enabled=False)
