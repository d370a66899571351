"""A balance that nobody will withdraw: given up by who leaves, written off by an operator; the books still close."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.client import Operator, Sandbox, Shopper
from tests.support.distribution import balance_differences, bought, new
from tests.support.withdrawals import balance, earner, owes, withdraw

DUST = 50


def leave(shopper: Shopper, body: dict[str, Any], **headers: str) -> Any:
    return shopper.call("DELETE", "/v1/me", {"code": shopper.login_code()} | body, **headers)


def entries_of(shopper: Shopper) -> list[Any]:
    from chalicelib.ledger import queries as ledger_queries

    return ledger_queries.all_of_member(shopper.member_id)


@pytest.fixture
def has(operator: Operator, sandbox: str) -> Callable[[int], Shopper]:
    """A distributor who has so much to withdraw, or (below zero) owes it."""

    def made(fen: int) -> Shopper:
        shopper = earner(operator.send, Sandbox(sandbox), max(0, fen))
        if fen < 0:
            owes(shopper, -fen)
        return shopper

    return made


@pytest.mark.parametrize("body", [{}, {"waive_balance": False}])
def test_who_has_something_left_is_told_to_withdraw_it_or_to_give_it_up(
    body: Any, has: Callable[[int], Shopper]
) -> None:
    member = has(DUST)
    told = leave(member, body).refused(409, "account_open")
    assert told["hindrances"] == ["distributor"]
    assert [(error["code"], error["field"], error["amount_fen"]) for error in told["errors"]] == [
        ("balance_left", "waive_balance", DUST)
    ]
    assert "0.50" in told["detail"] and "waive_balance" in told["detail"]
    english = leave(member, body, **{"Accept-Language": "en"}).refused(409, "account_open")["detail"]
    assert english == "0.50 yuan are left in the balance: withdraw them, or give them up by sending waive_balance true"
    assert balance(member) == (DUST, 0, 0)


def test_what_is_given_up_is_an_entry_and_the_account_closes_with_nothing(has: Callable[[int], Shopper]) -> None:
    member = has(DUST)
    leave(member, {"waive_balance": True}).ok(204)
    leave(member, {"waive_balance": True}).refused(401, "unauthenticated")
    given_up = entries_of(member)[0]
    assert (given_up.cause, given_up.about) == ("waived", member.member_id)
    assert [(one.account, one.amount_fen) for one in given_up.postings] == [
        (f"member:{member.member_id}:available", DUST), ("balances:waived", -DUST),
    ]  # fmt: skip
    assert balance(member) == (0, 0, 0)
    assert balance_differences(member.member_id) == []


def test_a_debt_is_written_off_without_being_asked(has: Callable[[int], Shopper]) -> None:
    member = has(-DUST)
    member.leave().ok(204)
    assert entries_of(member)[0].cause.startswith("written-off:")
    assert balance(member) == (0, 0, 0)
    assert balance_differences(member.member_id) == []


def test_what_is_pending_or_on_its_way_hinders_whatever_is_given_up(
    operator: Operator, people: list[Shopper], sku: str, has: Callable[[int], Shopper]
) -> None:
    _, b, c = people
    bought(c, [(sku, 1)])
    withdrawing = has(10_000)
    withdraw(withdrawing, 9_950)
    for member in (b, withdrawing):
        told = leave(member, {"waive_balance": True}).refused(409, "account_open")
        assert [error["code"] for error in told["errors"]] == ["commissions_unsettled"]
    assert balance(withdrawing) == (DUST, 9_950, 0)


@pytest.mark.parametrize("fen", [DUST, 0, -DUST])
def test_a_commission_that_comes_as_the_account_is_closed_is_not_lost(
    fen: int, has: Callable[[int], Shopper], monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.core import clock
    from chalicelib.ledger import queries as ledger_queries
    from chalicelib.ledger import rules as entries
    from chalicelib.ledger import service as ledger
    from chalicelib.platform.store.transaction import Transaction

    member = has(fen)
    reads = ledger_queries.balance
    earned = [700]

    def overtaken(member_id: str) -> Any:
        found = reads(member_id)
        if earned:
            tx = Transaction()
            ledger.post(tx, entries.earned(f"o-{member_id}", 1, member_id, clock.now(), earned.pop()))
            tx.commit()
        return found

    monkeypatch.setattr("chalicelib.ledger.queries.balance", overtaken)
    told = leave(member, {"waive_balance": True}).refused(409, "account_open")
    assert [error["code"] for error in told["errors"]] == ["commissions_unsettled"]
    assert (reads(member.member_id).pending, reads(member.member_id).available) == (700, fen)
    member.get("/v1/me").ok()


@pytest.mark.parametrize("fen", [DUST, -DUST])
def test_an_operator_writes_a_balance_or_a_debt_off_with_a_reason_once(
    fen: int, operator: Operator, has: Callable[[int], Shopper]
) -> None:
    from chalicelib.core import clock

    member = has(fen)
    path = f"/v1/admin/distributors/{member.member_id}"
    for _ in range(2):
        after = operator.post(f"{path}/write-off", {"reason": "不足最低提现额"}).ok()
        assert (after["available_fen"], after["earned_fen"]) == (0, 0)
    lines = operator.items(f"{path}/ledger")
    assert [(one["what"], one["note"]) for one in lines if one["cause"].startswith("written-off:")] == [
        ("written_off", "不足最低提现额")
    ]
    assert {one["note"] for one in lines[1:]} == {""}
    assert sum(one["amount_fen"] for one in lines[0]["postings"]) == 0
    assert operator.get(f"{path}/audit").ok()["differences"] == []
    shown = member.get("/v1/distributor/ledger").ok()["items"][0]
    assert (shown["what"], shown["available_fen"]) == ("written_off", -fen)
    told = member.get(f"/v1/distributor/statements/{clock.day(clock.now()).isoformat()[:7]}").ok()
    assert (told["written_off_fen"], told["closing_fen"]) == (fen, 0)
    assert told["earned_fen"] - told["reversed_fen"] == fen
    account = member.get("/v1/me/export").ok()["sections"]["account"]
    assert [one["note"] for one in account if one["cause"].startswith("written-off:")] == ["不足最低提现额"]
    log = [one for one in operator.items("/v1/admin/audit") if member.member_id in str(one) and one["method"] == "POST"]
    assert ["不足最低提现额" in one["body"] for one in log] == [False, False]  # what is said of persons is not kept
    member.leave().ok(204)


def test_what_is_pending_or_on_its_way_is_not_written_off(operator: Operator, has: Callable[[int], Shopper]) -> None:
    member = has(10_000)
    withdraw(member, 9_950)
    operator.post(f"/v1/admin/distributors/{member.member_id}/write-off", {"reason": "尾差"}).ok()
    assert balance(member) == (0, 9_950, 0)


def test_nothing_is_written_off_of_nobody_or_without_a_reason(operator: Operator, sandbox: str) -> None:
    operator.post("/v1/admin/distributors/m-nobody/write-off", {"reason": "尾差"}).refused(404, "not_found")
    member = new(operator, sandbox)
    for body in ({}, {"reason": ""}, {"reason": "尾差", "amount_fen": 1}):
        operator.post(f"/v1/admin/distributors/{member.member_id}/write-off", body).refused(400, "malformed")
