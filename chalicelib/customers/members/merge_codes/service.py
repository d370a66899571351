"""Two logins become one member by their own act: a code of one is entered in the other.

The code has six digits and is good for five minutes, and no longer than the token by which it was asked for. Who
guesses would get at another's orders and balance: so each may try five times in that while, and all together so often
that a guesser is left next to nothing; a try is counted before anything is looked at.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.merging import service as merging
from chalicelib.customers.members.merging.queries import stored
from chalicelib.customers.members.merging.rules import Merge
from chalicelib.customers.members.merging.tables import Merges, code_key
from chalicelib.customers.members.merging.views import MergeCode
from chalicelib.customers.members.refusals import CODE_NOT_GOOD, OWN_CODE
from chalicelib.customers.members.rules import check_admitted
from chalicelib.customers.members.sessions.rules import check_good
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, save
from chalicelib.platform.store.versioned import Conflict
from chalicelib.platform.web import limits
from chalicelib.platform.web.tokens import Token

_SECONDS = 300
_CODES = 1_000_000
#: How often a member may enter a code while one is good, and how often everybody together may.
_TRIES = 5
_TRIES_OF_ALL = 60
#: How many codes a member may have that are good: who mistypes their own is not to meet those of one who has very many.
_CODES_EACH = 5
#: How often another code is drawn where somebody has that one.
_DRAWS = 5


def issue(member_id: str, token: Token) -> MergeCode:
    """Give the member, who calls with this token, a code for another login of theirs. Raises `member_blocked`,
    `too_many_requests`, `conflict`, `unavailable`."""
    check_admitted(member_queries.profile(member_id))
    limits.count_strictly("merge_code_given", member_id, _CODES_EACH, _SECONDS)
    now = clock.now()
    until = now + timedelta(seconds=_SECONDS)
    for _ in range(_DRAWS):
        digits = f"{int.from_bytes(ids.random_bytes(8), 'big') % _CODES:06d}"
        item = Merges(code_key(digits), member_id=member_id, good_until=_ms(until), expires=until)
        item.subject, item.issued_at = token.subject, clock.stamp(token.issued_at)
        free = Merges.merge_id.does_not_exist() | (Merges.good_until < _ms(now))
        try:
            save(item, free, Conflict)
        except ConditionFailed:
            continue
        return MergeCode(digits, until)
    raise MallError("conflict")


def redeem(member_id: str, code: str) -> Merge:
    """Make the member and the one whose code it is one person. The same code again gives what came of it.

    Raises `merge_refused` for a code that is not good, or is the member's own, or where too many were merged;
    `merge_conflict` where the other is gone; `too_many_requests`, `member_blocked`, `conflict`, `unavailable`.
    """
    check_admitted(member_queries.profile(member_id))
    limits.count_strictly("merge_code", member_id, _TRIES, _SECONDS)
    limits.count_strictly("merge_code", "everybody", _TRIES_OF_ALL, _SECONDS)
    item = read.get(Merges, code_key(code))
    if item is None or item.good_until < _ms(clock.now()):
        raise _not_good()
    if item.used_for:
        return _made(item.used_for, member_id)
    if item.member_id == member_id:
        raise MallError("merge_refused", errors=(OWN_CODE.at("code"),))

    def also(tx: Transaction, merge: Merge) -> None:
        _check_asked_for(item)  # once the profiles were read, so that a token is not called in meanwhile
        as_read = Merges.used_for.does_not_exist() & (Merges.member_id == item.member_id)
        as_read &= Merges.good_until == item.good_until
        tx.update(Merges, (item.merge_id,), [Merges.used_for.set(merge.merge_id)], as_read, _not_good())

    return merging.unite(member_id, item.member_id, "code", also=also)


def _check_asked_for(item: Merges) -> None:
    """Raise `merge_refused` for a code whose token was called in since: it may have been in wrong hands."""
    owner = member_queries.current(member_queries.resolved(item.member_id))
    try:
        check_good(None if owner is None else owner.called_in, item.subject, clock.from_stamp(item.issued_at))
    except MallError as fault:
        raise _not_good() from fault


def _not_good() -> MallError:
    return MallError("merge_refused", errors=(CODE_NOT_GOOD.at("code"),))


def _made(merge_id: str, member_id: str) -> Merge:
    """Find what came of the code, for one of the two."""
    known = stored(merge_id)
    if known is None or member_id not in (known.value.former, known.value.survivor):
        raise _not_good()
    return known.value


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
