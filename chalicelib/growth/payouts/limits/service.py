"""What members have withdrawn lately, as it is written: for one member, or for two who turned out to be one person."""

from __future__ import annotations

from chalicelib.customers.members.rules import Profile, is_settled
from chalicelib.growth.payouts.limits.rules import Allowance, joined
from chalicelib.growth.payouts.queries import find_allowance
from chalicelib.growth.payouts.tables import Withdrawals, allowance_item, allowance_key
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned, commit, retry


def put_allowance(tx: Transaction, member_id: str, after: Allowance, stored: Versioned[Allowance] | None) -> None:
    """Add to `tx` what the member has withdrawn lately, in place of what was `stored`; a Conflict where that is another
    by then."""
    if stored is None:
        tx.create(allowance_item(member_id, after, 1), Conflict)
    else:
        unchanged = Withdrawals.version == stored.version
        tx.put(allowance_item(member_id, after, stored.version + 1), unchanged, Conflict)


def absorb_allowance(former: str, member_id: str) -> bool:
    """Count what the former member has withdrawn lately for the other one; tell whether there was anything. Raises
    `conflict`, `unavailable`."""

    def once() -> bool:
        theirs = find_allowance(former)
        if theirs is None:
            return False
        ours = find_allowance(member_id)
        tx = Transaction()
        tx.delete(*allowance_key(former), Withdrawals.version == theirs.version, Conflict)
        put_allowance(tx, member_id, theirs.value if ours is None else joined(ours.value, theirs.value), ours)
        commit(tx)
        return True

    return retry(once)


def has_gathered(profile: Profile) -> bool:
    """Count for the member whatever is still counted for who turned out to be them; tell whether that was anything.
    Nothing is read of a member who is nobody else, or long has been one."""
    if is_settled(profile):
        return False
    former = [one.member_id for one in profile.absorbed if not one.settled]
    gathered = [absorb_allowance(one, profile.member_id) for one in former]
    return any(gathered)
