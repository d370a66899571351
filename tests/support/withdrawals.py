"""Withdrawals as the tests play them: distributors who have earned, WeChat's notices, and the books held together."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from local.client import Client, Operator, Sandbox, Shopper, Transport
from local.clock import LocalClock
from local.notices import notice
from tests.support.distribution import balance_differences

HOUR, DAY = 3600, 86400
PATH = "/v1/distributor/withdrawals"
TRANSFER = "/v1/callbacks/wechat/transfer"
TRANSFERS = "/v3/fund-app/mch-transfer/transfer-bills"
#: What WeChat's merchant has, unless a test says otherwise: enough for all.
PLENTY_FEN = 1_000_000_000


def earner(send: Transport, sandbox: Sandbox, fen: int, state: str = "active", openid: str = "") -> Shopper:
    """A distributor with that much to withdraw, as an order would have left them; they have a profile and a token.
    WeChat knows them, unless another `openid` is given."""
    from chalicelib.core import clock, ids
    from chalicelib.core.settings import settings
    from chalicelib.customers.members.rules import Addresses, Profile
    from chalicelib.customers.members.tables import ADDRESSES, Identities, Members, mini_identity, profile_item
    from chalicelib.gateways.wechat import mini
    from chalicelib.growth.distribution.rules import Distributor
    from chalicelib.growth.distribution.tables import distributor_item
    from chalicelib.platform.store.transaction import Transaction
    from chalicelib.platform.web import tokens

    member_id = ids.new("m")
    now = clock.now()
    known = Distributor(member_id=member_id, state=state, invite_code=member_id[:10], applied_at=now)  # type: ignore[arg-type]
    tx = Transaction()
    user = f"earner-{secrets.token_hex(8)}"
    openid = openid or mini.code2session(sandbox.post("login", {"user": user})["code"]).openid
    tx.create(profile_item(Profile(member_id=member_id, openid=openid, joined_at=now)))
    tx.create(Members(member_id, ADDRESSES, addresses=Addresses(), version=1))
    tx.put(Identities(mini_identity(settings().wechat_appid, openid), member_id=member_id))
    tx.create(distributor_item(known, 1))
    tx.commit()
    token = tokens.issue("member", member_id, now + timedelta(days=36500))
    shopper = Shopper(send, sandbox, user, token, member_id)
    if fen:
        earns(shopper, fen)
    return shopper


def earns(shopper: Shopper, fen: int) -> None:
    """An order leaves this much to a distributor, who can withdraw it."""
    from chalicelib.core import clock
    from chalicelib.ledger import rules as entries
    from chalicelib.ledger import service as ledger
    from chalicelib.platform.store.transaction import Transaction

    about = f"o{secrets.token_hex(8)}", 1, shopper.member_id, clock.now()
    for entry in (entries.earned(*about, fen), entries.released(*about, fen)):
        tx = Transaction()
        ledger.post(tx, entry)
        tx.commit()


def owes(shopper: Shopper, fen: int) -> None:
    """A refund takes this much of a commission that the distributor could withdraw, or has withdrawn."""
    from chalicelib.core import clock
    from chalicelib.ledger import rules as entries
    from chalicelib.ledger import service as ledger
    from chalicelib.platform.store.transaction import Transaction

    tx = Transaction()
    about = f"o{secrets.token_hex(8)}", 1, shopper.member_id, clock.now()
    ledger.post(tx, entries.reversed_to(*about, fen, 0, "available"))
    tx.commit()


def set_rules(operator: Client, **more: Any) -> Any:
    """The settings of withdrawals: review from 500 yuan on, three a day, the defaults; but for these."""
    return operator.put("/v1/admin/settings/withdrawals", {"review_from_fen": 50_000, "per_day": 3} | more).ok()


def withdraw(shopper: Shopper, fen: int, key: str = "") -> Any:
    """Ask for this much; the withdrawal."""
    body = {"amount_fen": fen}
    return shopper.post("/v1/distributor/withdrawals", body, key=key or secrets.token_hex(8)).ok(201)


def mine(shopper: Shopper, withdrawal_id: str) -> Any:
    """The withdrawal as its distributor sees it."""
    return shopper.get(f"/v1/distributor/withdrawals/{withdrawal_id}").ok()


def balance(shopper: Shopper) -> tuple[int, int, int]:
    """What the member has to withdraw, what is on its way, and what they have withdrawn."""
    from chalicelib.ledger import queries as ledger_queries

    kept = ledger_queries.balance(shopper.member_id)
    return kept.available, kept.withdrawing, kept.withdrawn


def bill(sandbox: Sandbox, withdrawal_id: str) -> Any:
    """The transfer in WeChat's books, or None."""
    found = sandbox.get(f"ledger?out_bill_no={withdrawal_id}")["transfers"]
    return found[0] if found else None


def end(sandbox: Sandbox, withdrawal_id: str, outcome: str, **more: Any) -> None:
    """The receiver confirms, or WeChat ends it; no notice comes by itself."""
    sandbox.post(f"transfers/{withdrawal_id}", {"outcome": outcome, "notify": "none"} | more)


def transfer_callback(
    sandbox: Sandbox, withdrawal_id: str, defect: str | None = None, **changed: Any
) -> tuple[str, str, dict[str, str], bytes]:
    """The request with which WeChat tells how this transfer ended, as a transport takes it; `changed` falsifies it."""
    from chalicelib.core.settings import settings

    told = bill(sandbox, withdrawal_id)
    assert told["done_at"], "it has not ended"
    plain = {
        "out_bill_no": withdrawal_id, "transfer_bill_no": told["transfer_bill_no"], "state": told["state"],
        "mch_id": settings().wechat_mchid, "transfer_amount": told["amount_fen"], "openid": told["openid"],
        "fail_reason": told["fail_reason"] or "", "update_time": "2026-11-22T10:00:00+08:00",
    } | changed  # fmt: skip
    headers, body = notice("MCHTRANSFER.BILL.FINISHED", plain, defect)
    return "POST", TRANSFER, headers, body


def differences(sandbox: Sandbox, *shoppers: Shopper) -> list[str]:
    """The audit of these members' withdrawals and balances, WeChat's books with them; what does not agree."""
    from chalicelib.growth.payouts.checks import Transfer, audit_withdrawals
    from chalicelib.growth.payouts.queries import load
    from chalicelib.growth.payouts.tables import Withdrawals, allowance_key, withdrawals_and_allowances
    from chalicelib.ledger import queries as ledger_queries
    from chalicelib.platform.store import read

    numbers = [
        raw["withdrawal_id"]["S"]
        for shopper in shoppers
        for raw in read.query(Withdrawals, shopper.member_id, index=Withdrawals.by_member)[0]
    ]
    entries = [entry for shopper in shoppers for entry in ledger_queries.all_of_member(shopper.member_id)]
    bills = [found for number in numbers if (found := bill(sandbox, number)) is not None]
    transfers = [Transfer(one["out_bill_no"], one["amount_fen"], one["state"]) for one in bills]
    kept = read.batch_get([allowance_key(shopper.member_id) for shopper in shoppers])
    _, allowances = withdrawals_and_allowances(item for item in kept if item is not None)
    found = audit_withdrawals([load(number) for number in numbers], entries, transfers, allowances)
    found += balance_differences(*(shopper.member_id for shopper in shoppers))
    return [f"{one.about}: {one.what}" for one in found]


def run_jobs(clock: LocalClock | None = None, seconds: float = 0) -> None:
    """The workers do what is due, so many seconds from now."""
    from chalicelib.platform.jobs import worker

    if clock is not None:
        clock.advance(seconds)
    worker.run_due()


def at_wechat(shopper: Shopper, fen: int = 10_000) -> str:
    """A withdrawal that waits for its distributor to confirm it."""
    number: str = withdraw(shopper, fen)["withdrawal_id"]
    run_jobs()
    assert mine(shopper, number)["state"] == "awaiting_confirmation"
    return number


def call_off(operator: Operator, number: str) -> Any:
    """An operator calls it off; the withdrawal as they see it."""
    return operator.post(f"/v1/admin/withdrawals/{number}/cancel", {"reason": "账户待核实"}).ok()


def fault(wechat: Sandbox, kind: str, times: int, path: str = TRANSFERS) -> None:
    """WeChat's next answers to calls about transfers fail in this way."""
    wechat.post("faults", {"path": path, "kind": kind, "times": times, "seconds": 1.5})


def ids(withdrawals: Any) -> list[str]:
    """Their ids, in their order."""
    return [one["withdrawal_id"] for one in withdrawals]


def queue(operator: Operator, shopper: Shopper, name: str) -> list[Any]:
    """This member's withdrawals in an operators' queue."""
    found = paged(operator, f"/v1/admin/withdrawals?queue={name}")
    return [one for one in found if one["member_id"] == shopper.member_id]


def paged(client: Any, path: str) -> list[Any]:
    """What is on all pages."""
    found: list[Any] = []
    cursor = ""
    while True:
        page = client.get(path + cursor).ok()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"
