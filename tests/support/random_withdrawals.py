"""Withdrawals of random malls: asked for, confirmed, called off; each is paid as WeChat has paid it, once."""

from __future__ import annotations

from chalicelib.gateways.wechat.transfers import TransferResult
from chalicelib.growth.payouts import service as payouts
from chalicelib.growth.payouts.queries import load
from chalicelib.growth.payouts.tables import Withdrawals, withdrawals_and_allowances
from chalicelib.growth.payouts.transfers.service import settle_transfer
from chalicelib.ledger import queries as ledger
from chalicelib.platform.store import tools
from tests.support.random_deeds import nobody
from tests.support.random_play import Play
from tests.support.random_stage import SELLERS

_NO_WITHDRAWAL = ("balance_short", "withdrawal_limit", "invalid")


def withdraw(play: Play) -> str:
    """A distributor takes money out, all or some; who has too little is refused."""
    login = play.chance.choice(SELLERS)
    member = play.caller(login)
    has = ledger.balance(member).available
    fen = has if play.chance.random() < 0.5 else play.chance.randint(30, max(100, has))
    codes = (*_NO_WITHDRAWAL, *(("not_found",) if login in play.detached else ()))
    told, made = play.attempt("withdraw", lambda: payouts.request(member, play.key(), fen, login), codes)
    if made is None:
        return told
    if has < fen and not play.crossed:
        play.differs(f"withdrawal of {member}", f"{fen} of {has}")
    play.withdrawn[made.withdrawal_id] = member, fen
    return f"asked {fen}"


def confirm(play: Play) -> str:
    """A receiver confirms, or lets it be; WeChat tells of the end, perhaps twice."""
    if not play.wechat.unconfirmed():
        return nobody(play)
    number = play.pick(play.wechat.unconfirmed())
    bill = play.wechat.bills[number]
    bill.end = play.chance.choice(["SUCCESS", "SUCCESS", "FAIL"])
    for _ in range(play.chance.choice([0, 1, 2])):
        told = TransferResult(number, "t", bill.state, bill.fen)  # type: ignore[arg-type]
        play.attempt("told of transfer", lambda told=told: settle_transfer(told))  # type: ignore[misc]
    return bill.end


def call_off(play: Play) -> str:
    """An operator calls a withdrawal off."""
    if not play.withdrawn:
        return nobody(play)
    number = play.pick(play.withdrawn)
    told, _ = play.attempt("call off", lambda: payouts.cancel(number, "资料不符", "op"), ("withdrawal_state",))
    return told or "called off"


def review(play: Play) -> str:
    """An operator decides about a withdrawal that is large."""
    waiting = [number for number in play.withdrawn if load(number).state == "reviewing"]
    if not waiting:
        return nobody(play)
    return play.review(play.pick(waiting))


def taken_out(play: Play, member_id: str) -> int:
    """What a member has taken out, by what WeChat has paid."""
    paid = {number for number, bill in play.wechat.bills.items() if bill.state == "SUCCESS"}
    return sum(fen for number, (who, fen) in play.withdrawn.items() if play.person(who) == member_id and number in paid)


def check_withdrawals(play: Play) -> None:
    """Each has ended, as its transfer did."""
    for one in withdrawals_and_allowances(tools.scan(Withdrawals))[0]:
        bill = play.wechat.bills.get(one.withdrawal_id)
        wanted = "succeeded" if bill is not None and bill.state == "SUCCESS" else "failed"
        if one.state != wanted:
            at_wechat = None if bill is None else bill.state
            play.differs(f"withdrawal {one.withdrawal_id}", f"is {one.state}, at WeChat {at_wechat}")
