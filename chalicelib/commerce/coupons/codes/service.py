"""Codes: made in batches, given out once, redeemed once.

None of them is stored before it is redeemed: a code says which batch it is of and proves that it is (`code_text`). So
a batch of 100,000 is one item, and a wrong code is refused after one read.
"""

from __future__ import annotations

import msgspec

from chalicelib.commerce.coupons.agreement import service as agreement
from chalicelib.commerce.coupons.codes import guesses
from chalicelib.commerce.coupons.codes import rules as code_text
from chalicelib.commerce.coupons.issue.service import give
from chalicelib.commerce.coupons.refusals import (
    BATCH_EXPORTED,
    CODE_REDEEMED,
    CODE_REDEEMED_BY_YOU,
    NO_SUCH_BATCH,
    NOT_FOR_CODES,
)
from chalicelib.commerce.coupons.rules import Batch, Held
from chalicelib.commerce.coupons.tables import CouponCodes, batch_key, code_key, guesses_key, guesses_of
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.core import clock, ids, spreadsheets
from chalicelib.core.errors import MallError, Reason, invalid
from chalicelib.customers.members.queries import same_person
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, commit, retry

#: How many codes of a new batch its answer has at most.
AT_ONCE_MAX = 1000

_PREFIX = "cb"
#: How many numbers are tried for a new batch: another may have one.
_TRIES = 20


class Made(msgspec.Struct, frozen=True):
    """A new batch, and its codes where they are told at once."""

    batch_id: str
    codes: list[str]


def make(template_id: str, count: int) -> Made:
    """Make a batch of codes for this template. Up to AT_ONCE_MAX are returned, which is their one export.

    Raises `not_found`, `invalid` when the template has no codes, `second_operator`, `conflict`.
    """
    template = template_queries.load(template_id).value
    if "code" not in template.how:
        raise invalid(NOT_FOR_CODES.at("template_id"))
    agreement.check(template)
    at_once = count <= AT_ONCE_MAX

    def once() -> Batch:
        number = ids.shard(ids.new(""), 1 << code_text.BATCH_BITS)
        batch = Batch(number=number, template_id=template_id, count=count, secret=ids.secret(), made_at=clock.now())
        tx = Transaction()
        tx.create(CouponCodes(batch_key(number)[1][0], batch=batch, exported=at_once), Conflict)
        commit(tx)
        return batch

    batch = retry(once, _TRIES)
    return Made(f"{_PREFIX}{batch.number}", _codes(batch) if at_once else [])


def export(template_id: str, batch_id: str) -> bytes:
    """Export all codes of a batch as CSV, once. Raises `not_found`, `codes_exported`."""
    number = batch_id.removeprefix(_PREFIX)
    item = read.get(CouponCodes, *batch_key(int(number))[1]) if number.isdecimal() else None
    if item is None or item.batch.template_id != template_id or batch_id != f"{_PREFIX}{item.batch.number}":
        raise MallError("not_found", errors=(NO_SUCH_BATCH.at("batch_id"),))
    tx = Transaction()
    unexported = CouponCodes.exported == False  # noqa: E712 - this is DynamoDB's comparison
    exported = MallError("codes_exported", errors=(BATCH_EXPORTED.at("batch_id"),))
    tx.update(*batch_key(item.batch.number), [CouponCodes.exported.set(True)], unexported, exported)
    commit(tx)
    return spreadsheets.write(["code"], ([code] for code in _codes(item.batch)))


def redeem(member_id: str, text: str) -> Held:
    """Give the coupon for this code, however it is typed.

    Raises `code_unknown`, `code_used`, `too_many_requests` after too many wrong ones, and what `give` raises: then the
    code stays good.
    """
    code = code_text.read(text)
    keys = [guesses_key(member_id)]
    if code is not None:
        keys += [batch_key(code.batch), code_key(code.batch, code.serial)]
    counted, *found = read.batch_get(keys)
    wrong = guesses_of(counted)
    guesses.check(wrong)
    batch: Batch | None = found[0].batch if found and found[0] is not None else None
    if code is None or batch is None or code.serial >= batch.count or not code_text.is_true(code, batch.secret):
        raise guesses.count(member_id, wrong)
    if found[1] is not None:
        raise _used(CODE_REDEEMED_BY_YOU if same_person(found[1].member_id, member_id) else CODE_REDEEMED)

    def redeemed(tx: Transaction) -> None:
        used = CouponCodes(code_key(code.batch, code.serial)[1][0], member_id=member_id)
        tx.create(used, _used(CODE_REDEEMED))
        guesses.confirm(tx, member_id, wrong)

    cause = (str(code.batch), str(code.serial))
    given = give(template_queries.remembered(batch.template_id), member_id, "code", cause, redeemed)
    if not given.is_new:
        raise _used(CODE_REDEEMED_BY_YOU)
    return given.held


def _used(reason: Reason) -> MallError:
    return MallError("code_used", errors=(reason.at("code"),))


def _codes(batch: Batch) -> list[str]:
    return [code_text.write(code_text.make(batch.number, serial, batch.secret)) for serial in range(batch.count)]
