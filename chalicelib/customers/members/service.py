"""Members come by, say who they are, keep addresses; what they completed is told by orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.core import clock, log
from chalicelib.core.errors import MallError, Reason, unavailable
from chalicelib.core.settings import settings
from chalicelib.customers.members.content.rules import pictures
from chalicelib.customers.members.jobs import BLOCKED, INVITED
from chalicelib.customers.members.ports import observers, visitors
from chalicelib.customers.members.queries import profile, resolved, stored_addresses, stored_profile
from chalicelib.customers.members.refusals import (
    BLOCKED_BY_WECHAT,
    LOGIN_CODE_INVALID,
    LOGIN_CODE_OF_ANOTHER,
    LOGIN_CODE_USED,
    NO_SUCH_MEMBER,
    PHONE_CODE_INVALID,
    PHONE_CODE_USED,
)
from chalicelib.customers.members.rules import (
    Address,
    Addresses,
    Block,
    Profile,
    Source,
    Visit,
    openid_of,
    with_known,
    with_purchase,
)
from chalicelib.customers.members.rules import seen as noted
from chalicelib.customers.members.sessions import rules as sessions
from chalicelib.customers.members.sessions.queries import remember
from chalicelib.customers.members.tables import (
    Identities,
    Members,
    addresses_key,
    found_anew,
    identities_of,
    mini_identity,
    profile_key,
)
from chalicelib.mall.files import service as files
from chalicelib.mall.files.tables import owner_of
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.store import read, versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned
from chalicelib.platform.web import tokens

#: What a shopper is told of a code that WeChat refuses, by the mall's code for it.
LOGIN_REASONS = {
    "wechat_code_invalid": LOGIN_CODE_INVALID,
    "wechat_code_used": LOGIN_CODE_USED,
    "wechat_user_blocked": BLOCKED_BY_WECHAT,
}
_PHONE_REASONS = {
    "wechat_code_invalid": PHONE_CODE_INVALID,
    "wechat_code_used": PHONE_CODE_USED,
    "wechat_user_blocked": BLOCKED_BY_WECHAT,
}


def visited(member_id: str, visit: Visit) -> Profile:
    """Note that a member is here, as `seen` does, and by which way: whoever keeps the ways writes in the same
    transaction. Raises `unauthenticated`, `conflict`, `unavailable`."""
    return _seen(member_id, visit.source, visit)


def seen(member_id: str, source: Source | None) -> Profile:
    """Note that a member is here, by whichever way the mall learns of it, and where they come from if that is known.

    Without a source it is written once for a day of Asia/Shanghai. A visit by a link of an inviter is told as event
    member.invited, once however often it is noted. Raises `unauthenticated`, `conflict`, `unavailable`.
    """
    return _seen(member_id, source, None)


def _seen(member_id: str, source: Source | None, visit: Visit | None) -> Profile:
    def touched(member: Profile, tx: Transaction) -> Profile:
        after = noted(member, source, clock.now())
        tell_invited(tx, member_id, source if after.last_source is source else None)
        if visit is not None and visitors().came(tx, member, visit) and after is member:
            after = msgspec.structs.replace(member)  # says nothing new itself, and is what the transaction hangs on
        return after

    return change_profile(member_id, touched)


def tell_invited(tx: Transaction, member_id: str, source: Source | None) -> None:
    """Tell, as part of `tx`, by whose link the member came, if by any."""
    if source is not None and source.inviter is not None:
        emit(tx, INVITED, member_id, token=source.inviter)


def change_profile(member_id: str, decide: Callable[[Profile, Transaction], Profile]) -> Profile:
    """Change the profile to what `decide` makes of it; it may be called again, and adds to the transaction.

    Raises `unauthenticated`, `conflict` when others keep changing it, `unavailable`, and ConditionFailed for a lease
    that was lost.
    """
    return versioned.change(lambda: stored_profile(member_id), decide, write_profile)


def write_profile(tx: Transaction, before: Versioned[Profile], after: Profile) -> None:
    """Write the profile under the version that was read, as part of `tx`, and what follows from the change: Conflict
    where another was quicker."""
    changes = [Members.profile.set(after), Members.version.set(before.version + 1), *found_anew(before.value, after)]
    tx.update(*profile_key(after.member_id), changes, Members.version == before.version, Conflict)
    gone = set(identities_of(before.value)) - set(identities_of(after))
    for key in sorted(gone):
        if not tx.concerns(Identities, (key,)):
            tx.delete(Identities, (key,), Identities.member_id == after.member_id, Conflict)
    for url in sorted(pictures(before.value) - pictures(after)):
        files.give_up(tx, owner_of(after.member_id), url)
    if after.called_in is not None and after.called_in != before.value.called_in:
        same = [Members.called_in.set(after.called_in)]
        tx.update(*addresses_key(after.member_id), same, Members.version.exists(), Conflict)
    if after != before.value:
        for each in observers():
            each.changed(tx, before.value, after)
    tx.after_commit(remember, after)


def block(member_id: str, reason: str | None) -> Profile:
    """Block the member for this reason, or lift the block (None). Again the same changes nothing; another reason takes
    the place of the first. What a blocked member holds is let go soon after, by those who hear of it, and their tokens
    are called in: who logs in anew may read. Raises `not_found`, `conflict`."""

    def decide(member: Profile, tx: Transaction) -> Profile:
        if reason == (None if member.blocked is None else member.blocked.reason):
            return member
        if reason is None:
            return msgspec.structs.replace(member, blocked=None)
        emit(tx, BLOCKED, member_id)
        now = clock.now()
        return msgspec.structs.replace(
            member, blocked=Block(reason, now), called_in=sessions.all_until(member.called_in, now)
        )

    return _change_of(member_id, decide)


def _change_of(member_id: str, decide: Callable[[Profile, Transaction], Profile]) -> Profile:
    """Change the profile for an operator, who is told `not_found` where there is none."""
    try:
        return change_profile(member_id, decide)
    except MallError as fault:
        if fault.code != "unauthenticated":
            raise
        raise MallError("not_found", errors=(NO_SUCH_MEMBER.at("member_id"),)) from fault


def log_out(member_id: str, token: tokens.Token, everywhere: bool) -> None:
    """Call in the token that the member's call came with, or all that they have. Raises `unauthenticated`,
    `conflict`."""

    def decide(member: Profile, _: Transaction) -> Profile:
        now = clock.now()
        called_in = (
            sessions.all_until(member.called_in, now)
            if everywhere
            else sessions.with_one(member.called_in, token.subject, token.issued_at, token.ends_at, now)
        )
        return msgspec.structs.replace(member, called_in=called_in)

    change_profile(member_id, decide)


def log_out_member(member_id: str) -> None:
    """Call in all tokens of the member, who may log in anew. Raises `not_found`, `conflict`."""
    _change_of(
        member_id,
        lambda member, _: msgspec.structs.replace(member, called_in=sessions.all_until(member.called_in, clock.now())),
    )


def set_known(
    tx: Transaction, member_id: str, completed: int, last: datetime | None, tags: Mapping[str, bool] | None = None
) -> None:  # fmt: skip
    """Say as part of `tx` how many orders of the member are completed, less those refunded whole, and since when the
    last of these is; and which tags they have or have not from now on. Nothing of one who has left. Others who change
    the profile meanwhile are a Conflict."""
    _count(tx, member_id, lambda member: with_known(member, completed, last, tags or {}))


def stays(tx: Transaction, member_id: str) -> None:
    """Commit `tx` only while the member is there; a Conflict where they have left meanwhile."""
    if not tx.concerns(*profile_key(member_id)):
        tx.check(*profile_key(member_id), Members.version.exists(), Conflict)


def _count(tx: Transaction, member_id: str, counted: Callable[[Profile], Profile]) -> None:
    try:
        found = stored_profile(member_id)
    except MallError as fault:
        if fault.code != "unauthenticated":
            raise
        return
    after = counted(found.value)
    if after is not found.value:
        write_profile(tx, found, after)


def count_purchase(job: Job) -> None:
    """Count a purchase that the version before has told of, exactly once: with the end of the job."""

    def once() -> None:
        tx = Transaction()
        at = clock.from_stamp(job.task.payload["at"])
        _count(tx, resolved(job.task.payload["member_id"]), lambda member: with_purchase(member, at))
        job.finish(tx)
        versioned.commit(tx)

    versioned.retry(once)


def given_phone(member_id: str, subject: str, code: str) -> str:
    """Ask WeChat for the phone number that the shopper agreed to give with this code, in the session of this `subject`.

    Raises `wechat_code_invalid`, `wechat_code_used`, `unauthenticated`, `unavailable`.
    """
    openid = openid_of(profile(member_id), subject)
    phone: str = ask_wechat(lambda mini: mini.phone_number(code, openid), _PHONE_REASONS)
    return phone


def prove(member_id: str, code: str) -> None:
    """Have the shopper prove by a fresh code of wx.login that they are this member: who has only found a token does not
    do what cannot be undone. Raises `wechat_code_invalid`, also for another's, `wechat_code_used`,
    `wechat_user_blocked`, `unauthenticated`, `unavailable`."""
    openid = ask_wechat(lambda mini: mini.code2session(code), LOGIN_REASONS).openid
    item = read.get(Identities, mini_identity(settings().wechat_appid, openid))
    if item is None or item.member_id != member_id:
        raise MallError("wechat_code_invalid", errors=(LOGIN_CODE_OF_ANOTHER.at("code"),))


def ask_wechat(question: Callable[[Any], Any], reasons: Mapping[str, Reason]) -> Any:
    """Ask WeChat's mini-program API. Its refusals of a code are raised with a reason; other faults `unavailable`."""
    from chalicelib.gateways.wechat import mini  # requests and cryptography: only those who ask WeChat pay for them
    from chalicelib.gateways.wechat.errors import WechatError

    try:
        return question(mini)
    except WechatError as fault:
        log.warning("wechat_failed", reason=fault.code)
        raise unavailable() from fault
    except MallError as fault:
        if fault.code not in reasons:
            raise
        raise MallError(fault.code, errors=(reasons[fault.code].at("code"),)) from fault


def add_address(member_id: str, address: Address) -> Address:
    """Keep one more address. Raises `address_limit`, `conflict`."""
    return _written(change_addresses(member_id, lambda book: book.add(address)), address.address_id)


def replace_address(member_id: str, address: Address, keeps_default: bool) -> Address:
    """Change an address as a whole; where it `keeps_default`, it stays the default, or none. Raises `not_found`,
    `conflict`."""
    return _written(change_addresses(member_id, lambda book: book.replace(address, keeps_default)), address.address_id)


def remove_address(member_id: str, address_id: str) -> None:
    """Forget an address; orders keep their own copy. Raises `not_found`, `conflict`."""
    change_addresses(member_id, lambda book: book.remove(address_id))


def change_addresses(member_id: str, decide: Callable[[Addresses], Addresses]) -> Addresses:
    """Change the address book to what `decide` makes of it; it may be called again. Raises `unauthenticated`,
    `conflict`, `unavailable`."""

    def write(tx: Transaction, before: Versioned[Addresses], after: Addresses) -> None:
        changes = [Members.addresses.set(after), Members.version.set(before.version + 1)]
        tx.update(*addresses_key(member_id), changes, Members.version == before.version, Conflict)

    return versioned.change(lambda: stored_addresses(member_id), lambda before, _: decide(before), write)


def forget_addresses(tx: Transaction, member_id: str) -> None:
    """Forget all addresses of the member, as part of `tx`; orders keep their own copies."""
    changes = [Members.addresses.set(Addresses()), Members.version.set(Members.version + 1)]
    tx.update(*addresses_key(member_id), changes, Members.version.exists(), Conflict)


def _written(book: Addresses, address_id: str) -> Address:
    address = book.find(address_id)
    assert address is not None
    return address
