"""Changing how a member may be written to, under the one version of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from chalicelib.core import clock, log
from chalicelib.core.errors import MallError
from chalicelib.customers.members import service as members
from chalicelib.customers.members.queries import current, resolved
from chalicelib.growth.messaging.contacts import queries
from chalicelib.growth.messaging.contacts.rules import Account, opened, with_mark
from chalicelib.growth.messaging.preferences.rules import came_back, left_account, no_more
from chalicelib.growth.messaging.rules import Contact, Medium, Source
from chalicelib.growth.messaging.tables import ME, Contacts
from chalicelib.platform.store import versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned


def write(tx: Transaction, member_id: str, before: int, after: Contact, *, with_profile: bool = False) -> None:
    """Write how the member may be written to as part of `tx`, under the version that was read (0: none). The first time
    only while the member is there, which `tx` holds already where it writes their profile: nothing is kept of who has
    left."""
    item = Contacts(member_id, ME, contact=after, version=before + 1)
    tx.put(item, Contacts.version == before if before else Contacts.member_id.does_not_exist(), Conflict)
    if not before and not with_profile:
        members.stays(tx, member_id)


def hold(tx: Transaction, member_id: str, before: int) -> None:
    """Commit `tx` only while it is as it was read."""
    condition = Contacts.version == before if before else Contacts.member_id.does_not_exist()
    tx.check(Contacts, (member_id, ME), condition, Conflict)
    if not before:
        members.stays(tx, member_id)


def change(member_id: str, decide: Callable[[Contact], Contact]) -> Contact:
    """Change how the member may be written to to what `decide` makes of it; it may be called again. Raises `conflict`,
    also where the member is gone or has just become another, who would not hear of it, `unavailable`."""

    def put(tx: Transaction, before: Versioned[Contact], after: Contact) -> None:
        write(tx, member_id, before.version, after)
        members.stays(tx, member_id)

    return versioned.change(lambda: queries.stored(member_id), lambda before, _: decide(before), put)


def opt_out(
    member_id: str, medium: Medium | None, source: Source, at: datetime | None = None, mark: str = ""
) -> None:  # fmt: skip
    """Note that the member wants nothing by this medium any more, or (None) nothing that sells by any. It holds for
    every message that is not reserved yet. `source` says how it is known, and `at` when they said it (now). Told again,
    by the same `mark`, or of one who is gone, it changes nothing: what they have said since then stays. Raises
    `conflict`, `unavailable`."""
    said_at = clock.now() if at is None else at

    def decide(before: Contact) -> Contact:
        if mark and mark in before.heard:
            return before
        after = left_account(before, said_at) if source == "unsubscribe" else no_more(before, medium, said_at, source)
        return msgspec.structs.replace(after, heard=with_mark(after.heard, mark)) if mark else after

    if _changed(member_id, decide):
        log.info("opted_out", medium=medium or "marketing", source=source)


def follows_again(member_id: str, at: datetime) -> None:
    """Undo what leaving the official account said before that time. Raises `conflict`, `unavailable`."""
    _changed(member_id, lambda before: came_back(before, at))


def wrote(member_id: str, account: Account, openid: str, by: str, at: datetime, mark: str) -> None:
    """Note what the member did at an account at that time ("message", "follow"; contacts/rules.OPENED), so that it may
    answer them. `mark` tells the event from others: heard again, it changes nothing. Raises `conflict`,
    `unavailable`."""
    _changed(member_id, lambda before: opened(before, account, openid, by, at, mark))


def _changed(member_id: str, decide: Callable[[Contact], Contact]) -> bool:
    """Change it for whoever the member is by now; whether there is such a member."""
    try:
        change(resolved(member_id), decide)
    except MallError as fault:
        if fault.code == "conflict" and current(resolved(member_id)) is None:
            return False
        raise
    return True
