"""A sandbox for the tests of WeChat's clients, in this process, started once for each file of them; a mall's days."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.core import clock, settings
from chalicelib.gateways.wechat import mini
from local.clock import LocalClock
from tests import wechat_fixtures
from tests.wechat_fixtures import Wechat

if TYPE_CHECKING:
    from local.client import Operator, Shopper
    from tests.support.reconciliation import Shop


_days = count()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wechat]:
    with wechat_fixtures.wechat(tmp_path_factory.mktemp("wechat")) as started:
        yield started


@pytest.fixture
def wechat(running: Wechat) -> Wechat:
    running.forget()
    mini.account.forget()
    return running


@pytest.fixture
def short_time_outs() -> Iterator[None]:
    """The mall waits one second for WeChat's reply instead of five."""
    before = settings._environment
    settings.use({**before, "YUTANG_WECHAT_READ_SECONDS": "1"})
    yield
    settings.use(before)


@pytest.fixture
def no_jobs(dynamodb: str, mall_clock: LocalClock) -> Iterator[None]:
    """Nothing is owed before a test, and nothing is left after it."""
    from local.jobs import forget_all  # only now: it imports a table, which is named after the environment

    forget_all()
    yield
    forget_all()


@pytest.fixture
def naps(mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Sleeping moves the mall's clock and takes no time; how long each nap was."""
    taken: list[float] = []

    def sleep(seconds: float) -> None:
        taken.append(seconds)
        mall_clock.advance(seconds)

    monkeypatch.setattr(clock, "sleep", sleep)
    monkeypatch.setattr(clock, "monotonic", mall_clock)
    return taken


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Each query that was sent: whether it was a consistent one."""
    from chalicelib.platform.store import read

    sent: list[bool] = []
    send = read.call

    def counted(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        sent.append(arguments.get("ConsistentRead", False))
        return send(operation, arguments)

    monkeypatch.setattr(read, "call", counted)
    return sent


@pytest.fixture
def advance() -> Iterator[Callable[[float], None]]:
    """Moves the clock of this process forward, by seconds."""
    moved = [0.0]
    before: Any = clock.use(lambda: before() + moved[0])

    def move(seconds: float) -> None:
        moved[0] += seconds

    yield move
    clock.use(before)


@pytest.fixture
def one_instant() -> Iterator[None]:
    """What is remembered for a second is remembered, however slow the machine is."""
    instant = clock.now().timestamp()
    before = clock.use(lambda: instant)
    yield
    clock.use(before)


@pytest.fixture
def nobody(dynamodb: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No operator at all; what other tests have comes back afterwards. Hashing is made cheap."""
    from chalicelib.mall.operators.access import passwords
    from chalicelib.mall.operators.tables import Operators
    from chalicelib.platform.store import tools

    monkeypatch.setattr(passwords, "_COST", 16)
    monkeypatch.setattr(passwords, "NOBODY", passwords.hashed("nobody"))
    kept = list(tools.scan(Operators))
    for item in kept:
        item.delete()
    yield
    for item in tools.scan(Operators):
        item.delete()
    for item in kept:
        item.save()


@pytest.fixture
def later() -> Iterator[Callable[[float], None]]:
    """The clock stands near noon of a day that is this test's, far from any other's, and moves when told."""
    at = [datetime(2031, 3, 1, 4, tzinfo=UTC).timestamp() + 3 * 86_400 * next(_days)]
    before = clock.use(lambda: at[0])

    def move(seconds: float) -> None:
        at[0] += seconds

    yield move
    clock.use(before)


@pytest.fixture
def totp_obligatory() -> Iterator[None]:
    """Owners must have a second factor, as in a deployed mall."""
    before = settings._environment
    settings.use({**before, "YUTANG_TOTP_OBLIGATORY": "true"})
    yield
    settings.use(before)


@pytest.fixture
def operator(dynamodb: str, sandbox: str, mall_clock: LocalClock) -> Operator:
    """The owner, whose calls this process answers."""
    from local.client import Operator, in_process
    from tests.support.operators import owner_token

    return Operator(in_process(), owner_token())


@pytest.fixture
def shopper(operator: Operator, sandbox: str) -> Shopper:
    """Somebody who has just come to the operator's mall."""
    from local.client import Sandbox, Shopper

    return Shopper.arrive(operator.send, Sandbox(sandbox))


@pytest.fixture
def shop(dynamodb: str, sandbox: str, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A mall at noon of a day on which nothing has happened yet, and with nothing compared before."""
    from chalicelib.insight.reconciliation.tables import Reconciliations
    from chalicelib.platform.jobs import daily  # tables are named only when the environment is set
    from chalicelib.platform.store import tools
    from chalicelib.platform.store.transaction import remove
    from local.client import Operator, Sandbox, in_process
    from local.jobs import forget_all
    from tests.support.operators import owner_token
    from tests.support.reconciliation import PRICE, Shop

    forget_all()
    for item in tools.scan(Reconciliations):
        remove(Reconciliations, (item.day, item.part))
    monkeypatch.setattr(daily, "_owed", {})
    operator = Operator(in_process(), owner_token())
    sku = operator.product(price_fen=PRICE, stock=1000)["skus"][0]["sku_id"]
    shop = Shop(operator, Sandbox(sandbox), mall_clock, sku)
    shop.at(shop.today + timedelta(days=1), 12)
    yield shop
    forget_all()
