"""Operators: the first owner, logging in, guessing, permissions that take effect at once, and the audit log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.mall.operators import queries as operator_queries
from chalicelib.mall.operators import service
from chalicelib.mall.operators.access import passwords
from chalicelib.mall.operators.audit import queries as audit_queries
from chalicelib.mall.operators.audit import service as audit
from chalicelib.mall.operators.tables import OPERATOR, OWNERS, AuditEntries, AuditEntry, Operators
from chalicelib.platform.store import read, tools
from infra.operator import main
from local.client import Client, in_process

PASSWORD = "long enough for anyone"
# Far from any other test's day, so that the day's log is this test's.
NOON = datetime(2031, 3, 1, 4, tzinfo=UTC).timestamp()


@pytest.fixture(autouse=True)
def nobody(dynamodb: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No operator at all; what other tests have comes back afterwards. Hashing is made cheap."""
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
def advance() -> Iterator[Callable[[float], None]]:
    """The clock stands at noon of a day of its own, and moves when told."""
    at = [NOON + time.time() % 1000]
    before = clock.use(lambda: at[0])

    def move(seconds: float) -> None:
        at[0] += seconds

    yield move
    clock.use(before)


def client(name: str = "", password: str = PASSWORD) -> Client:
    anybody = Client(in_process())
    if name:
        anybody.token = login(anybody, name, password).ok()["token"]
    return anybody


def login(anybody: Client, name: str, password: str = PASSWORD) -> Any:
    return anybody.post("/v1/admin/login", {"name": name, "password": password})


def owner() -> Client:
    assert service.bootstrap("boss", PASSWORD)
    return client("boss")


def entries(day: str, operator: str | None = None) -> list[AuditEntries]:
    return audit_queries.page(datetime.fromisoformat(day).date(), operator, 100, None)[0]


def test_of_many_first_owners_there_is_one() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: service.bootstrap(f"boss{n}", PASSWORD), range(8)))
    assert sorted(made) == [False] * 7 + [True]
    assert [each.name for each in operator_queries.operators()] == [f"boss{made.index(True)}"]
    assert not service.bootstrap("late", PASSWORD)


def test_a_name_no_operator_can_have() -> None:
    for name in ("", "a b", "鱼", "x" * 33, "a\n"):
        with pytest.raises(ValueError, match="name"):
            service.bootstrap(name, PASSWORD)


def test_an_owner_appoints_and_changes() -> None:
    boss = owner()
    made = boss.post("/v1/admin/operators", {"name": "ann", "password": PASSWORD, "roles": ["service", "service"]}).ok(
        201
    )
    assert made["roles"] == ["service"]
    assert "orders.refund" in made["permissions"]
    assert "password" not in made
    boss.post("/v1/admin/operators", {"name": "ann", "password": PASSWORD, "roles": ["auditor"]}).refused(
        409, "name_taken"
    )
    unknown = {"name": "bob", "password": PASSWORD, "roles": ["king", "auditor"]}
    refusal = boss.post("/v1/admin/operators", unknown).refused(422, "invalid")
    assert (refusal["detail"], refusal["errors"][0]["roles"]) == ("没有这些角色：king", ["king"])
    boss.post("/v1/admin/operators", {"name": "bob", "password": "short", "roles": ["auditor"]}).refused(
        400, "malformed"
    )
    boss.call("PATCH", "/v1/admin/operators/nobody", {"disabled": True}).refused(404, "not_found")
    changed = boss.call("PATCH", "/v1/admin/operators/ann", {"roles": ["auditor"]}).ok()
    assert changed["roles"] == ["auditor"]
    assert [each["name"] for each in boss.get("/v1/admin/operators").ok()["items"]] == ["ann", "boss"]


def test_a_change_takes_effect_at_once() -> None:
    boss = owner()
    boss.post("/v1/admin/operators", {"name": "ann", "password": PASSWORD, "roles": ["auditor"]}).ok(201)
    ann = client("ann")
    assert ann.get("/v1/admin/me").ok()["name"] == "ann"
    ann.get("/v1/admin/operators").ok()
    ann.post("/v1/admin/operators", {"name": "eve", "password": PASSWORD, "roles": ["owner"]}).refused(403, "forbidden")
    boss.call("PATCH", "/v1/admin/operators/ann", {"roles": ["service"]}).ok()
    ann.get("/v1/admin/operators").refused(403, "forbidden")
    boss.call("PATCH", "/v1/admin/operators/ann", {"disabled": True}).ok()
    ann.get("/v1/admin/me").refused(401, "unauthenticated")
    login(ann, "ann").refused(401, "login_failed")
    boss.call("PATCH", "/v1/admin/operators/ann", {"disabled": False, "password": PASSWORD + "!"}).ok()
    ann.get("/v1/admin/me").refused(401, "unauthenticated")  # a login from before stays void
    login(ann, "ann").refused(401, "login_failed")
    ann.token = login(ann, "ann", PASSWORD + "!").ok()["token"]
    boss.call("PATCH", "/v1/admin/operators/ann", {"password": PASSWORD + "?"}).ok()
    ann.get("/v1/admin/me").refused(401, "unauthenticated")


def test_a_login_begun_before_the_password_changed_is_void(monkeypatch: pytest.MonkeyPatch) -> None:
    boss, real = owner(), passwords.matches

    def changed_meanwhile(*given: str) -> bool:
        right = real(*given)
        monkeypatch.setattr(passwords, "matches", real)
        service.change("boss", password=PASSWORD + "!")
        return right

    monkeypatch.setattr(passwords, "matches", changed_meanwhile)
    boss.token = login(boss, "boss").ok()["token"]
    boss.get("/v1/admin/me").refused(401, "unauthenticated")


def test_the_last_owner_stays() -> None:
    boss = owner()
    for change in ({"disabled": True}, {"roles": ["auditor"]}):
        boss.call("PATCH", "/v1/admin/operators/boss", change).refused(409, "last_owner")
    boss.post("/v1/admin/operators", {"name": "ann", "password": PASSWORD, "roles": ["owner", "auditor"]}).ok(201)
    boss.call("PATCH", "/v1/admin/operators/boss", {"roles": ["service"]}).ok()
    client("ann").call("PATCH", "/v1/admin/operators/ann", {"disabled": True}).refused(409, "last_owner")


def test_two_owners_who_remove_each_other_leave_one() -> None:
    service.bootstrap("boss", PASSWORD)
    for round_ in range(5):
        service.create(f"ann{round_}", PASSWORD, ["owner"])
        pair = [each.name for each in operator_queries.operators() if each.is_active_owner]
        assert len(pair) == 2

        def remove(name: str) -> str:
            try:
                service.change(name, disabled=True)
            except MallError as refusal:
                return refusal.code
            return "done"

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(remove, pair)) == ["done", "last_owner"]
    assert read.get(Operators, *OWNERS).active == 1


def test_wrong_name_and_wrong_password_are_one_answer() -> None:
    owner()
    anybody = client()
    wrong = login(anybody, "boss", "not the password").refused(401, "login_failed")
    unknown = login(anybody, "nobody", "not the password").refused(401, "login_failed")
    assert {**wrong, "request_id": ""} == {**unknown, "request_id": ""}
    anybody.post("/v1/admin/login", {"name": "boss"}).refused(400, "malformed")


@pytest.mark.parametrize("name", ["boss", "nobody"])
def test_guessing_costs_a_wait_that_grows(name: str, advance: Callable[[float], None]) -> None:
    service.bootstrap("boss", PASSWORD)
    anybody = client()
    for _ in range(5):
        login(anybody, name, "a guess").refused(401, "login_failed")
    locked = login(anybody, name)  # even with the right password
    locked.refused(429, "too_many_requests")
    assert locked.headers["retry-after"] == "30"
    advance(29)
    assert login(anybody, name, "a guess").headers["retry-after"] == "1"
    advance(1)
    login(anybody, name, "a guess").refused(401, "login_failed")
    assert login(anybody, name, "a guess").headers["retry-after"] == "60"
    advance(86_400)
    for _ in range(5):  # a day later all is forgotten
        login(anybody, name, "a guess").refused(401, "login_failed")
    login(anybody, name, "a guess").refused(429, "too_many_requests")


def test_the_right_password_forgives_the_failures(advance: Callable[[float], None]) -> None:
    service.bootstrap("boss", PASSWORD)
    anybody = client()
    for _ in range(3):
        for _ in range(4):
            login(anybody, "boss", "a guess").refused(401, "login_failed")
        login(anybody, "boss").ok()


def test_guesses_made_at_once_all_count() -> None:
    service.bootstrap("boss", PASSWORD)

    def guess(_: int) -> str:
        try:
            service.login("boss", "a guess")
        except MallError as refusal:
            return refusal.code
        return "in"

    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(guess, range(32)))
    assert 1 <= told.count("login_failed") <= 5
    assert told.count("login_failed") + told.count("too_many_requests") == 32


def test_a_token_ends(advance: Callable[[float], None]) -> None:
    boss = owner()
    advance(12 * 3600 - 1)
    boss.get("/v1/admin/me").ok()
    advance(1)
    boss.get("/v1/admin/me").refused(401, "unauthenticated")


def test_one_s_own_password() -> None:
    boss = owner()
    new = {"password": PASSWORD, "new_password": "another that is long"}
    boss.call("PUT", "/v1/admin/me/password", {**new, "password": "wrong"}).refused(401, "login_failed")
    boss.call("PUT", "/v1/admin/me/password", new).ok(204)
    login(boss, "boss").refused(401, "login_failed")
    login(boss, "boss", "another that is long").ok()


def test_all_that_operators_do_is_in_the_log(advance: Callable[[float], None]) -> None:
    boss = owner()
    body = {"name": "ann", "password": PASSWORD, "roles": ["auditor"]}
    boss.post("/v1/admin/operators", body).ok(201)
    advance(1)
    ann = client("ann")
    advance(1)
    boss.call("PATCH", "/v1/admin/operators/ann", {"roles": ["service"]}, X_Amzn="1").ok()
    advance(1)
    ann.post("/v1/admin/operators", {"phone": "138", "note": "!"}).refused(403, "forbidden")
    day = clock.day(clock.now()).isoformat()
    assert day == "2031-03-01"
    log = entries(day)
    assert [(item.entry.operator, item.entry.permission, int(item.status)) for item in log] == [
        ("ann", "operators.write", 403),
        ("boss", "operators.write", 200),
        ("ann", "login", 200),
        *[(item.entry.operator, item.entry.permission, int(item.status)) for item in log[3:]],
    ]
    assert log[0].entry.body == '{"note":"!"}'
    assert log[1].entry.path == "/v1/admin/operators/{name}"
    assert log[1].entry.parameters == {"name": "ann"}
    assert {(item.entry.operator, item.entry.permission, int(item.status)) for item in log[3:5]} == {
        ("boss", "login", 200), ("boss", "operators.write", 201),
    }  # fmt: skip
    assert not [item for item in log if PASSWORD in item.entry.body]


def test_the_log_is_read_by_day_and_by_operator_in_pages(advance: Callable[[float], None]) -> None:
    advance(86_400)
    for number in range(7):
        advance(1)
        entry = AuditEntry(
            at=clock.now(), operator=f"op{number % 2}", permission="p", method="GET", path="/", request_id=str(number)
        )
        audit.record(entry, 200)
    boss = owner()
    day = clock.day(clock.now()).isoformat()

    def numbers(query: str) -> list[str]:
        calls = boss.items(f"/v1/admin/audit?day={day}{query}", limit=2)
        return [item["request_id"] for item in calls if item["permission"] == "p"]

    assert numbers("&operator=op0") == ["6", "4", "2", "0"]
    assert numbers("&operator=nobody") == []
    first = boss.get(f"/v1/admin/audit?day={day}&operator=op1&limit=1").ok()["next_cursor"]
    boss.get(f"/v1/admin/audit?day={day}&operator=op0&cursor={first}").refused(400, "cursor_invalid")
    boss.get("/v1/admin/audit?day=yesterday").refused(400, "malformed")
    assert boss.get("/v1/admin/audit?day=2001-01-01").ok() == {"items": [], "next_cursor": None}
    today = boss.items("/v1/admin/audit")
    assert [item["request_id"] for item in today if item["permission"] == "p"] == list("6543210")


def test_a_call_is_logged_before_it_runs_and_stays_open_when_it_dies(
    advance: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    boss = owner()
    advance(2 * 86_400)
    boss.token = login(boss, "boss").ok()["token"]
    seen: list[AuditEntries] = []

    def die(*_: object) -> None:
        seen.extend(entries(clock.day(clock.now()).isoformat(), "boss"))
        raise MallError("unavailable", retry_after=1)

    monkeypatch.setattr(operator_queries, "operators", die)
    monkeypatch.setattr(audit, "write", die)
    boss.get("/v1/admin/operators").refused(503, "unavailable")
    # Found by its path: the index it is read from may list it a moment after the others.
    assert [each.status for each in seen if each.entry.path == "/v1/admin/operators"][:1] == [None]


def test_without_the_log_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    boss = owner()

    def fail(*_: object) -> None:
        raise MallError("unavailable", retry_after=1)

    monkeypatch.setattr(audit, "save", fail)
    body = {"name": "ann", "password": PASSWORD, "roles": ["auditor"]}
    boss.post("/v1/admin/operators", body).refused(503, "unavailable")
    assert read.get(Operators, OPERATOR, "ann") is None


def test_no_password_is_kept_or_logged(capsys: pytest.CaptureFixture[str]) -> None:
    owner()
    login(client(), "boss", "a wrong password").refused(401, "login_failed")
    kept = read.get(Operators, OPERATOR, "boss").password
    assert kept.count("$") == 4
    assert PASSWORD not in kept
    output = capsys.readouterr().out
    assert PASSWORD not in output
    assert "a wrong password" not in output


def test_the_first_owner_of_a_deployed_mall(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(name: str, *typed: str) -> int:
        answers = iter(typed)
        monkeypatch.setattr("sys.argv", ["infra.operator", name])
        monkeypatch.setattr("getpass.getpass", lambda _: next(answers))
        return main()

    assert run("boss", "too short", "too short") == 2
    assert run("boss", PASSWORD, PASSWORD + "!") == 2
    assert run("the boss", PASSWORD, PASSWORD) == 2
    assert operator_queries.operators() == []
    assert run("boss", PASSWORD, PASSWORD) == 0
    assert run("other", PASSWORD, PASSWORD) == 1
    assert [(each.name, each.roles) for each in operator_queries.operators()] == [("boss", ["owner"])]
    printed = capsys.readouterr()
    assert "too short" not in printed.out + printed.err
    assert PASSWORD not in printed.out + printed.err
