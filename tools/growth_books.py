"""What the growth wings keep, read whole for the audit: distribution, lobbies' draws, segments, messages, journeys."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

from chalicelib.commerce.coupons.rules import Held
from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock
from chalicelib.customers.events.rules import Event
from chalicelib.customers.members.checks import Person as Member
from chalicelib.customers.members.checks import Records as MemberRecords
from chalicelib.customers.members.rules import Profile, former_ids
from chalicelib.growth.distribution.checks import Records
from chalicelib.growth.distribution.distributors.checks import BindingRecord
from chalicelib.growth.groupbuy.lottery.checks import Drawing
from chalicelib.growth.journeys.checks import GuardRecord, RunRecord
from chalicelib.growth.journeys.checks import Records as JourneyRecords
from chalicelib.growth.messaging.checks import Records as MessageRecords
from chalicelib.growth.segments.checks import Count, Known, Row
from chalicelib.growth.segments.checks import Records as SegmentRecords
from chalicelib.growth.segments.definitions.rules import Definition
from chalicelib.growth.segments.evaluation.checks import Person, words_of


def moved() -> dict[str, str]:
    """Read which members turned out to be others, and whom."""
    from chalicelib.customers.members.tables import MOVED, Members
    from chalicelib.platform.store import tools

    return {item.member_id: str(item.moved_to) for item in tools.scan(Members) if item.part == MOVED and item.moved_to}


def members() -> MemberRecords:
    """Read who is there, by which identities, and who became whom."""
    from chalicelib.customers.members.tables import PROFILE, Identities, Members
    from chalicelib.platform.store import tools

    people = [item.profile for item in tools.scan(Members) if item.part == PROFILE]
    return MemberRecords(
        persons={one.member_id: Member([each.key for each in one.identities], former_ids(one)) for one in people},
        identities={
            item.identity: item.member_id
            for item in tools.scan(Identities)
            if item.member_id and not item.identity.startswith(("left:", "blocked:"))
        },
        moved=moved(),
    )


def distribution() -> Records:
    """Read what distribution keeps."""
    from chalicelib.growth.distribution.settings import DISTRIBUTION
    from chalicelib.growth.distribution.tables import (
        BINDING,
        CUSTOMER,
        DISTRIBUTOR,
        MONTH,
        Commissions,
        Distributors,
        monthly_sales,
        record_of,
    )
    from chalicelib.platform.store import tools

    items = list(tools.scan(Distributors))
    history = DISTRIBUTION.history()
    return Records(
        commissions=[item.commission for item in tools.scan(Commissions)],
        bindings=[
            BindingRecord(item.binding, int(item.orders or 0), int(item.paid_fen or 0))
            for item in items
            if item.part == BINDING
        ],
        distributors=[record_of(item) for item in items if item.part == DISTRIBUTOR],
        customers=[
            (item.member_id, item.part.removeprefix(CUSTOMER))
            for item in items
            if item.part.startswith(CUSTOMER) and not item.carried
        ],
        carried=[
            (item.member_id, item.part.removeprefix(CUSTOMER))
            for item in items
            if item.part.startswith(CUSTOMER) and item.carried
        ],
        sales=[monthly_sales(item) for item in items if item.part.startswith(MONTH)],
        moved=moved(),
        rules={version: rules for version, (rules, _) in history.items()},
        since={version: since for version, (_, since) in history.items() if since is not None},
    )


def drawings() -> list[Drawing]:
    """Read every activity, with all that is kept of its draw and of what members bought in it."""
    from chalicelib.growth.groupbuy.tables import ACTIVITY, ENTRY, MEMBER, GroupActivities
    from chalicelib.platform.store import tools

    parts: dict[str, list[Any]] = defaultdict(list)
    for item in tools.scan(GroupActivities):
        parts[item.activity_id].append(item)
    return [
        Drawing(
            activity=head.activity,
            secret=head.secret or "",
            drawn=None if head.drawn is None else head.drawn.winners,
            entries=[one.part.removeprefix(ENTRY) for one in its if one.part.startswith(ENTRY)],
            bought={
                one.part.removeprefix(MEMBER): int(one.bought) - int(one.carried or 0)
                for one in its
                if one.part.startswith(MEMBER)
            },
        )
        for its in parts.values()
        for head in its
        if head.part == ACTIVITY
    ]


def segments(coupons: Sequence[Held], orders: Sequence[Order]) -> SegmentRecords:
    """Read what segments keep, and what of members their rules look at."""
    from chalicelib.customers.members.settings import LIFE_CYCLE
    from chalicelib.growth.segments.tables import (
        BOOK,
        COUNT,
        DEFINITION,
        TRAITS,
        MemberTraits,
        SegmentCounts,
        SegmentMembers,
        unstamped,
    )
    from chalicelib.growth.segments.tables import Segments as Definitions
    from chalicelib.platform.store import tools

    items = list(tools.scan(Definitions))
    definitions = [item.definition for item in items if item.part.startswith(DEFINITION)]
    listed = [(row.place.partition("#"), row.member_id) for row in tools.scan(SegmentMembers)]
    return SegmentRecords(
        definitions=definitions,
        built=max((int(item.built or 0) for item in items if item.part == BOOK), default=0),
        bounds=LIFE_CYCLE.fresh(),
        known=[
            Known(item.traits, round(unstamped(item.due_at).timestamp() * 1000) if item.due_at else None)
            for item in tools.scan(MemberTraits)
            if item.part == TRAITS
        ],
        rows=[Row(segment_id, shard, member_id) for (segment_id, _, shard), member_id in listed],
        counts=[
            Count(item.segment_id, item.part.removeprefix(COUNT), int(item.entered), int(item.left))
            for item in tools.scan(SegmentCounts)
            if item.part.startswith(COUNT)
        ],
        persons=_persons(coupons, orders, _events(definitions)),
        leaving=_leaving(),
    )


def messages() -> MessageRecords:
    """Read what is kept of messages."""
    from chalicelib.growth.messaging.tables import ALLOWANCE, ME, SPEND, Contacts, MessageCounts, Messages
    from chalicelib.platform.store import tallies, tools

    contacts = list(tools.scan(Contacts))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    spent: dict[str, int] = defaultdict(int)
    for raw in tools.scan_raw(MessageCounts):
        item = MessageCounts.from_raw_data(raw)
        if item.source.startswith(SPEND):
            spent[item.source.removeprefix(SPEND)] += int(item.spent or 0)
        else:
            counts[item.source].update(tallies.counters(raw))
    return MessageRecords(
        messages=[item.message for item in tools.scan(Messages) if item.queued],
        contacts={item.member_id: item.contact for item in contacts if item.part == ME},
        allowances=[(item.member_id, int(item.left or 0)) for item in contacts if item.part.startswith(ALLOWANCE)],
        counts={source: dict(counted) for source, counted in counts.items()},
        spent=dict(spent),
        moved=moved(),
    )


def _leaving() -> frozenset[str]:
    """Who has left, and is still owed that all of theirs is forgotten."""
    from chalicelib.customers.members.jobs import ERASE
    from chalicelib.platform.jobs.tables import Jobs
    from chalicelib.platform.store import tools

    return frozenset(job.task.key for job in tools.scan(Jobs) if job.task.kind == ERASE.name)


def _events(definitions: Sequence[Definition]) -> dict[str, list[Event]]:
    """What members did that a rule looks at."""
    from chalicelib.customers.events.queries import unpacked
    from chalicelib.customers.events.tables import BATCH, MemberEvents
    from chalicelib.platform.store import tools

    rules = [one.rule for one in definitions if one.rule is not None]
    names = {leaf["event"] for rule in rules for word, leaf in words_of(rule) if word == "event"}
    found: dict[str, list[Event]] = defaultdict(list)
    batches = (item for item in tools.scan(MemberEvents) if item.part.startswith(BATCH)) if names else iter(())
    for item in batches:
        found[item.member_id] += [event for event in unpacked(item) if event.name in names]
    return found


def _persons(
    coupons: Sequence[Held], orders: Sequence[Order], events: dict[str, list[Event]]
) -> dict[str, Person]:  # fmt: skip
    from chalicelib.customers.members.tables import PROFILE, Members
    from chalicelib.growth.distribution.tables import DISTRIBUTOR, Distributors
    from chalicelib.platform.store import tools

    theirs: dict[str, tuple[list[Order], list[Held]]] = defaultdict(lambda: ([], []))
    for order in orders:
        theirs[order.member_id][0].append(order)
    for held in coupons:
        theirs[held.coupon.member_id][1].append(held)
    states = {item.member_id: item.distributor.state for item in tools.scan(Distributors) if item.part == DISTRIBUTOR}
    return {
        item.member_id: Person(
            profile=item.profile, orders=theirs[item.member_id][0], coupons=theirs[item.member_id][1],
            events=events.get(item.member_id, []), distributor=states.get(item.member_id, ""),
            lunar_birthdays=_lunar_birthdays(item.profile),
        )
        for item in tools.scan(Members)
        if item.part == PROFILE
    }  # fmt: skip


def _lunar_birthdays(profile: Profile) -> list[date]:
    """The days around now on which a birthday of the lunar calendar falls; the last of a month that is too short."""
    born = profile.birthday
    if born is None or born.calendar != "lunar":
        return []
    from lunar_python import Lunar, LunarMonth

    found = []
    for year in range(clock.day(clock.now()).year - 2, clock.day(clock.now()).year + 3):
        day = min(born.day, LunarMonth.fromYm(year, born.month).getDayCount())
        solar = Lunar.fromYmd(year, born.month, day).getSolar()
        found.append(date(solar.getYear(), solar.getMonth(), solar.getDay()))
    return found


def journeys() -> JourneyRecords:
    """Read the runs of all members with their guards, and what is counted of each version."""
    from chalicelib.growth.journeys.moving.queries import MOVE
    from chalicelib.growth.journeys.runs.queries import guard_of
    from chalicelib.growth.journeys.tables import ACTIVE, RUN, JourneyCounts, JourneyRuns, guard_key
    from chalicelib.platform.store import tallies, tools

    items = list(tools.scan(JourneyRuns))
    runs = [item for item in items if item.part.startswith(RUN)]
    counts: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for raw in tools.scan_raw(JourneyCounts):
        if not raw["journey"]["S"].startswith(MOVE):
            journey_id, _, number = raw["journey"]["S"].partition("#")
            counts[journey_id, int(number)].update(tallies.counters(raw))
    return JourneyRecords(
        runs=[
            RunRecord(
                item.run, guard_key(item.member_id, item.run.journey_id, item.run.key)[1][1], item.wake_at,
                item.place is not None,
            )
            for item in runs
        ],
        guards=[
            GuardRecord(item.member_id, item.part, guard_of(item)) for item in items if item.part.startswith(ACTIVE)
        ],
        counts={version: {name: n for name, n in counted.items() if n} for version, counted in counts.items()},
        stamps={item.run.run_id: clock.stamp(item.run.wake) for item in runs if item.run.wake is not None},
    )  # fmt: skip
