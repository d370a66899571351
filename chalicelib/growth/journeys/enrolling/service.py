"""Letting members in whom an operator names: at once where they are listed, by jobs where they are an audience.

What lets them in is the request's Idempotency-Key: whoever is seen to twice comes in once, and is counted alike.
"""

from __future__ import annotations

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.growth.journeys.book import queries as books
from chalicelib.growth.journeys.enrolling import queries
from chalicelib.growth.journeys.enrolling.rules import Enrolled, Enrolment, Part, one_more, parts_of
from chalicelib.growth.journeys.entering.rules import Cause, Outcome
from chalicelib.growth.journeys.entering.service import MEMBERS_AT_ONCE, enter
from chalicelib.growth.journeys.inputs import EnterInput
from chalicelib.growth.journeys.jobs import ENROL
from chalicelib.growth.journeys.listening.tables import ALL, Journeys
from chalicelib.growth.journeys.refusals import WHO_ENTERS
from chalicelib.growth.journeys.tables import COUNT_SHARDS, by_counter
from chalicelib.growth.segments.asking.service import AudienceLists
from chalicelib.growth.segments.audiences import queries as audiences
from chalicelib.growth.segments.refusals import AUDIENCE_BEING_MADE, NO_SUCH_AUDIENCE
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, write
from chalicelib.platform.store.versioned import Created, commit, create_once

#: How long a job goes on before it gives way to others, in seconds.
RUN_SECONDS = 2.0
#: So many members of an audience are seen to in one step, those together whom one transaction counts in one counter.
PAGE = MEMBERS_AT_ONCE * COUNT_SHARDS


def enrol(journey_id: str, operator: str, key: str, asked: EnterInput) -> Enrolled:
    """Let these members come into a journey, once for this operator's Idempotency-Key; a repetition is answered alike.

    Raises `not_found`, `invalid`, `not_running` while nobody comes in, `idempotency_key_reused`, `conflict`,
    `unavailable`.
    """
    if (asked.members is None) is (asked.audience_id is None):
        raise invalid(WHO_ENTERS.at("members"))
    enrolment_id = ids.derived("je", journey_id, operator, key)
    made = Enrolment(
        enrolment_id=enrolment_id, journey_id=journey_id, digest=ids.digest(msgspec.json.encode(asked)), by=operator,
        at=clock.now(), audience_id=asked.audience_id or "",
    )  # fmt: skip

    def begin() -> Enrolment:
        books.refreshed()  # the journey may be newer than what this process remembers
        if books.find(journey_id).journey.state != "live":
            raise MallError("not_running")
        return _create(made, _listed(made, asked.members) if asked.members is not None else _audience(made))

    found = queries.find(enrolment_id)
    if found is None:
        found = create_once(begin, lambda: queries.find(enrolment_id), lambda one: one.digest == made.digest)
    elif found.digest != made.digest:
        raise MallError("idempotency_key_reused")
    return queries.progress(journey_id, enrolment_id)


def _create(made: Enrolment, parts: list[Part]) -> Enrolment:
    made = msgspec.structs.replace(made, parts=len(parts))
    tx = Transaction()
    tx.create(Journeys(ALL, queries.head_part(made.enrolment_id), document=_text(made)), Created)
    for number, part in enumerate(parts):
        tx.create(Journeys(ALL, queries.listed_part(made.enrolment_id, number), document=_text(part)), Created)
        if not part.is_done:
            schedule(tx, ENROL, f"{made.enrolment_id}|{number}")
    commit(tx)
    return made


def _text(document: msgspec.Struct) -> str:
    return msgspec.json.encode(document).decode()


def _listed(made: Enrolment, member_ids: list[str]) -> list[Part]:
    """Let listed members in, now."""
    listed = list(dict.fromkeys(member_ids))
    outcomes = enter(by_counter(listed), made.journey_id, _cause(made))
    return [one_more(Part(position=0, end=len(listed)), len(listed), outcomes.values())]


def _audience(made: Enrolment) -> list[Part]:
    try:
        audience = audiences.load(made.audience_id)
    except MallError:
        raise invalid(NO_SUCH_AUDIENCE.at("audience_id")) from None
    if audience.state != "made":
        raise invalid(AUDIENCE_BEING_MADE.at("audience_id"))
    return parts_of(audience.count)


def _cause(made: Enrolment) -> Cause:
    return Cause(by="api", cause=f"api|{made.enrolment_id}")


def enrol_on(job: Job) -> None:
    """Let the next members of a part of an audience in."""
    enrolment_id, _, number = job.key.partition("|")
    made, end = queries.find(enrolment_id), clock.monotonic() + RUN_SECONDS
    books.refreshed()
    while made is not None:
        found = queries.part_of(enrolment_id, int(number))
        if found is None or found[0].is_done:
            return
        _step(made, int(number), *found)
        if clock.monotonic() > end:
            raise RetryLater(0)


def _step(made: Enrolment, number: int, part: Part, kept: str) -> None:
    """Let some more in, and write down how far it is. Who is passed over because they do not want to be chosen by what
    they do is `excluded`."""
    limit = min(PAGE, part.end - part.position)
    willing, following = AudienceLists().page(made.audience_id, str(part.position), limit)
    seen = (part.end if following is None else int(following)) - part.position
    outcomes = enter(by_counter(willing, number), made.journey_id, _cause(made)) if willing else {}
    passed_over: list[Outcome] = ["excluded"] * (seen - len(willing))
    after = one_more(part, seen, [*outcomes.values(), *passed_over])
    key = ALL, queries.listed_part(made.enrolment_id, number)
    try:
        write(Journeys, key, [Journeys.document.set(_text(after))], Journeys.document == kept)
    except ConditionFailed:
        raise RetryLater(0) from None  # another worker was quicker
