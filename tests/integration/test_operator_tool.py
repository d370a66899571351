"""`python -m tools.operator`: the first owner, and a way back in when nobody is in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.core import clock
from chalicelib.mall.operators import queries as operator_queries
from chalicelib.mall.operators import service
from chalicelib.mall.operators.audit import queries as audit_queries
from chalicelib.mall.operators.second_factor.rules import STEP_SECONDS, code_at, secret_of
from chalicelib.mall.operators.second_factor.service import begin, confirm
from chalicelib.mall.operators.tables import ATTEMPTS, Operators
from chalicelib.platform.store import read
from tests.support.operators import Browser
from tools.operator import main

PASSWORD = "long enough for anyone"
NEW = "another that is long"
pytestmark = pytest.mark.usefixtures("nobody")
Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command with these words; the rest is what is typed at its questions."""

    def run(command: str, name: str, *typed: str) -> int:
        answers = iter(typed)
        monkeypatch.setattr("sys.argv", ["tools.operator", command, name])
        monkeypatch.setattr("getpass.getpass", lambda _: next(answers))
        return main()

    return run


def noted() -> list[tuple[str, str]]:
    log = audit_queries.page(clock.day(clock.now()), None, 100, None)[0]
    return [(item.entry.operator, item.entry.permission) for item in log if item.entry.method == "RUN"]


def test_the_first_owner_of_a_deployed_mall(
    run: Run, later: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("create", "boss", "too short", "too short") == 2
    assert run("create", "boss", "password1234", "password1234") == 2
    assert run("create", "boss", PASSWORD, PASSWORD + "!") == 2
    assert run("create", "the boss", PASSWORD, PASSWORD) == 2
    assert operator_queries.operators() == []
    assert run("create", "boss", PASSWORD, PASSWORD) == 0
    assert run("create", "other", PASSWORD, PASSWORD) == 1
    assert [(each.name, each.roles) for each in operator_queries.operators()] == [("boss", ["owner"])]
    assert noted() == [("boss", "create")]
    printed = capsys.readouterr()
    assert "too short" not in printed.out + printed.err
    assert PASSWORD not in printed.out + printed.err


@pytest.mark.usefixtures("totp_obligatory")
def test_a_way_back_in_when_nobody_is_in(run: Run, later: Callable[[float], None]) -> None:
    assert run("create", "boss", PASSWORD, PASSWORD) == 0
    secret, _ = begin("boss", clock.now())
    confirm("boss", code_at(secret_of(secret), clock.unix() // STEP_SECONDS))
    lost = Browser("192.0.2.1")
    for _ in range(5):
        lost.log_in("boss", "forgotten").refused(401, "login_failed")
    lost.log_in("boss", "forgotten").refused(429, "too_many_requests")
    for _ in range(6):
        Browser("192.0.2.2").log_in("boss-2", "forgotten")
    later(1)

    assert run("reset", "boss", NEW, "other" + NEW) == 2
    assert run("reset", "boss", "123456789012", "123456789012") == 2
    lost.log_in("boss", NEW).refused(429, "too_many_requests")  # until here nothing has changed
    assert run("reset", "boss", NEW, NEW) == 0
    assert noted()[0] == ("boss", "reset")
    lost.log_in("boss", PASSWORD).refused(401, "login_failed")
    lost.log_in("boss", NEW).ok()
    assert lost.call("GET", "/v1/admin/me").ok()["totp_due"] is True
    assert not list(read.query_all(Operators, ATTEMPTS, where=Operators.name.startswith("boss/from/"), consistent=True))
    Browser("192.0.2.2").log_in("boss-2", "forgotten").refused(429, "too_many_requests")  # another name is not unlocked


def test_a_reset_ends_logins_and_enables_nobody(
    run: Run, later: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    service.bootstrap("boss", PASSWORD)
    service.create("ann", PASSWORD, ["auditor"])
    ann = Browser()
    ann.log_in("ann", PASSWORD).ok()
    session = Browser()
    session.post("/v1/admin/session", {"name": "ann", "password": PASSWORD}).ok()
    later(1)
    assert run("reset", "ann", NEW, NEW) == 0
    ann.call("GET", "/v1/admin/me").refused(401, "unauthenticated")
    session.post("/v1/admin/session/refresh").refused(401, "unauthenticated")
    service.change("ann", disabled=True)
    assert run("reset", "ann", PASSWORD, PASSWORD) == 0
    ann.log_in("ann", PASSWORD).refused(401, "login_failed")
    assert "disabled" in capsys.readouterr().out


def test_a_reset_of_nobody(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("reset", "nobody", NEW, NEW) == 1
    assert "operator's name" in capsys.readouterr().err
