"""Making frozen lists: of the members of a segment, of those for whom a rule holds, or of named ones.

A list is filled in order, 500 members an item: what a step adds, and how far it is then, is one transaction. Who joins,
comes in or leaves while it is being made may be on it or not; from then on it stays as it is. Who is erased is passed
over where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as members
from chalicelib.growth.segments.audiences import queries
from chalicelib.growth.segments.audiences.rules import LISTED_PER_ITEM, Audience, Listed
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.definitions import service as defining
from chalicelib.growth.segments.definitions.rules import Entry
from chalicelib.growth.segments.inputs import AudienceInput
from chalicelib.growth.segments.jobs import LIST_AUDIENCE
from chalicelib.growth.segments.membership import queries as membership
from chalicelib.growth.segments.preview.queries import Trial, trial_of
from chalicelib.growth.segments.refusals import BEING_BUILT, NO_SUCH_SEGMENT, UNREADABLE, WHO_IS_IN_IT
from chalicelib.growth.segments.tables import COUNT_SHARDS, HEAD, Audiences, listed_part
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned, commit, create_once, retry

#: How long a request goes on with a list, and a job, in seconds; what is left is owed to a job.
_REQUEST_SECONDS = 5.0
_RUN_SECONDS = 2.0
#: How many members are looked at in one step.
_PAGE = 500
#: And where what they did must be looked through for the rule: several reads each.
_LOOKED_THROUGH = 25


def create(operator: str, key: str, asked: AudienceInput) -> Audience:
    """Make the list that this operator's Idempotency-Key stands for; a long one goes on being made by a job.

    Raises `invalid`, `malformed`, `rule_invalid`, `rule_too_large`, `idempotency_key_reused`, `conflict`.
    """
    if (asked.segment_id is not None) + (asked.rule is not None) + (asked.members is not None) != 1:
        raise invalid(WHO_IS_IN_IT.at("segment_id"))
    audience_id = ids.derived("au", operator, key)
    digest = ids.digest(msgspec.json.encode(asked))
    end = clock.monotonic() + _REQUEST_SECONDS

    def begin() -> Audience:
        found = queries.find(audience_id)
        return found.value if found is not None else _begin(audience_id, digest, operator, asked)

    def there() -> Audience | None:
        found = queries.find(audience_id)
        return None if found is None else found.value

    made = create_once(begin, there, lambda before: before.digest == digest)
    while made.state == "making" and clock.monotonic() < end:
        made = _step(audience_id)
    return made


def _begin(audience_id: str, digest: str, operator: str, asked: AudienceInput) -> Audience:
    entry = _entry(asked)
    audience = Audience(
        audience_id=audience_id, digest=digest, by=operator, made_at=clock.now(), segment_id=asked.segment_id or "",
        rule=asked.rule, proven=entry is None or entry.proven, behavioural=entry is not None and entry.behavioural,
    )  # fmt: skip
    tx = Transaction()
    if asked.members is not None:
        listed = list(dict.fromkeys(asked.members))
        for start in range(0, len(listed), LISTED_PER_ITEM):
            some = Listed(listed[start : start + LISTED_PER_ITEM])
            tx.create(Audiences(audience_id, listed_part(start), listed=some), Conflict)
        audience = msgspec.structs.replace(audience, state="made", count=len(listed))
    else:
        # The request itself goes on with it until then; two would be in each other's way.
        schedule(tx, LIST_AUDIENCE, audience_id, clock.now() + timedelta(seconds=_REQUEST_SECONDS))
    tx.create(Audiences(audience_id, HEAD, audience=audience, version=1), Conflict)
    commit(tx)
    return audience


def _entry(asked: AudienceInput) -> Entry | None:
    """By what members come onto the list; None where they are named. Raises as `create` does."""
    if asked.members is not None:
        return None
    if asked.rule is not None:
        defining.check_rule(asked.rule)
        return _settled(trial_of(asked.rule).entry, "rule")
    entry = definitions.fresh().entries.get(asked.segment_id or "")
    if entry is None:
        raise invalid(NO_SUCH_SEGMENT.at("segment_id", segment_id=asked.segment_id))
    return _settled(entry, "segment_id")


def _settled(entry: Entry, field: str) -> Entry:
    """Give the entry, of which it is known who is in it now; the list is frozen. Raises `invalid`."""
    if entry.undecided:
        raise invalid(UNREADABLE.at(field))
    if entry.settling:
        raise invalid(BEING_BUILT.at(field))
    return entry


def list_audience(job: Job) -> None:
    """Go on with the making of a list; what is left is owed to the next job."""
    end = clock.monotonic() + _RUN_SECONDS
    while _step(job.key).state == "making":
        if clock.monotonic() > end:
            tx = Transaction()
            schedule(tx, LIST_AUDIENCE, job.key)
            job.finish(tx)
            commit(tx)
            return


def _step(audience_id: str) -> Audience:
    return retry(lambda: _step_once(audience_id))


def _step_once(audience_id: str) -> Audience:
    """Add the next members to the list, in one transaction with how far it is."""
    found = queries.find(audience_id)
    if found is None:
        raise MallError("not_found")
    audience = found.value
    if audience.state == "made":
        return audience
    members_found, after = _following(audience)
    shards = COUNT_SHARDS if audience.segment_id else settings().member_shards
    shard, position = (audience.shard, after) if after is not None else (audience.shard + 1, "")
    entry = _entry_now(audience)
    moved = msgspec.structs.replace(
        audience, shard=shard, position=position, count=audience.count + len(members_found),
        state="made" if shard == shards else "making",
        proven=audience.proven and (entry is None or (entry.proven and not entry.replaced)),
        behavioural=audience.behavioural or (entry is not None and entry.behavioural),
    )  # fmt: skip
    _add(found, moved, members_found)
    return moved


def _entry_now(audience: Audience) -> Entry | None:
    """By what those who were just found came onto the list, which may be another rule than when it was begun; None
    where the segment is gone."""
    book = definitions.refreshed()
    return book.entries.get(audience.segment_id) if audience.segment_id else trial_of(audience.rule).entry


def _following(audience: Audience) -> tuple[Sequence[str], str | None]:
    """The next members who are to be on the list, and where to go on in this shard (None: it is done)."""
    if audience.segment_id:
        return membership.shard_of(audience.segment_id, audience.shard, _PAGE, audience.position)
    trial: Trial = trial_of(audience.rule)
    page = _LOOKED_THROUGH if trial.looks_through else _PAGE
    member_ids, after = members.everybody(audience.shard, audience.made_at, audience.position, page)
    return [one for one, holds in zip(member_ids, trial.holds_for(member_ids), strict=True) if holds], after


def _add(found: Versioned[Audience], moved: Audience, members_found: Sequence[str]) -> None:
    """Write the list's next members and its head. An item that is not full is filled first."""
    before: Audience = found.value
    tx = Transaction()
    left = list(members_found)
    start = before.count // LISTED_PER_ITEM * LISTED_PER_ITEM
    if left and before.count > start:
        there: list[Any] = queries.listed(before.audience_id, str(start), LISTED_PER_ITEM)[0]
        room = LISTED_PER_ITEM - len(there)
        tx.put(Audiences(before.audience_id, listed_part(start), listed=Listed([*there, *left[:room]])))
        left, start = left[room:], start + LISTED_PER_ITEM
    while left:
        tx.put(Audiences(before.audience_id, listed_part(start), listed=Listed(left[:LISTED_PER_ITEM])))
        left, start = left[LISTED_PER_ITEM:], start + LISTED_PER_ITEM
    head = Audiences(before.audience_id, HEAD, audience=moved, version=found.version + 1)
    tx.put(head, Audiences.version == found.version, Conflict)
    commit(tx)
