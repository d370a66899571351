"""Runs of journeys. Tables `journey_runs`, `journey_counts`; `journeys` itself stands in listening/tables.py.

| who asks | how | units |
|---|---|---|
| let 16 members come in | BatchGet profile, guard and run of each; Put run and guard of each, a counter, a look | 48 RRU, some 110 WRU |
| go on with those of a shard whose time has come | Query by_wake, BatchGet run and profile of each; Put each | 0.5 RRU, 2 each; 4 WRU each |
| a run's change | Put under its `seq`, with by_wake; a counter for all of a transaction | 2 WRU per KB, 1 or 2, 2 |
| its end | + Update guard, by_journey | + 3 WRU |
| what a member did | Query their runs | 0.5 RRU per 4 KB, some 3 runs |
| the same, where a run may begin by what they did before | + Put, Query their runs again; as it begins Query | + 2 WRU, 2 RRU |
| a member's runs | the same | |
| those who are in a journey | Query by_journey in each shard | 0.5 RRU per 4 KB, some 40 runs |
| how many they are, by step, arm and end | BatchGet 16 counters of a version | 8 RRU |
| what a person got of journeys | Get (member, "grants"), Put with each coupon | 1 RRU, 2 WRU |

A run is active or parked in by_journey, and in by_wake while it is active and waits. Runs go 90 days after their end,
which is after the last of their goal counts; that there was one stays in the guard, for who may come in once only.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from pynamodb.attributes import NumberAttribute, TTLAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.core import clock, ids
from chalicelib.growth.journeys.limits.rules import Received
from chalicelib.growth.journeys.listening.rules import Heard
from chalicelib.growth.journeys.runs.rules import Run
from chalicelib.platform.store.base import Document, Table, TableMeta, name
from chalicelib.platform.store.read import Key

RUN = "run#"
ACTIVE = "active#"
GRANTS = "grants"
EARLY = "early#"
#: The shards of all runs that wait; a pass looks after one of them, all of whose members count in one of the latter.
WAKE_SHARDS = 64
COUNT_SHARDS = 16
#: The shards of those who are in a journey.
JOURNEY_SHARDS = 16
#: How long runs are kept after their end, and guards of a key after the last run of it.
KEPT = timedelta(days=90)
GUARD_KEPT = timedelta(days=400)
#: How long what a member did waits for a run that begins by what they did before.
EARLY_KEPT = timedelta(days=1)


class ByWake(GlobalSecondaryIndex["JourneyRuns"]):
    """The runs of one shard by when their wait is over."""

    class Meta:
        index_name = "by_wake"
        projection = KeysOnlyProjection()

    wake_shard = UnicodeAttribute(hash_key=True)
    wake_at = UnicodeAttribute(range_key=True)


class ByJourney(GlobalSecondaryIndex["JourneyRuns"]):
    """The active and parked runs of one shard of a journey."""

    class Meta:
        index_name = "by_journey"
        projection = KeysOnlyProjection()

    place = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)


class JourneyRuns(Table):
    """A member's runs ("run#<journey>#<run>"), for each journey and key which of them is active ("active#.."), what the
    member got of journeys ("grants"), and what they did just now ("early#<instant>#<cause>")."""

    class Meta(TableMeta):
        table_name = name("journey_runs")

    member_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    run = Document(Run, null=True)
    seq = NumberAttribute(null=True)
    wake_shard = UnicodeAttribute(null=True)
    wake_at = UnicodeAttribute(null=True)
    place = UnicodeAttribute(null=True)
    # under "active#": the run, if one is active or parked; how often the member came in, and when they left last
    active = UnicodeAttribute(null=True)
    entries = NumberAttribute(null=True)
    left_at = UnicodeAttribute(null=True)
    # under "grants", with its version
    received = Document(Received, null=True)
    version = NumberAttribute(null=True)
    early = Document(Heard, null=True)
    expires = TTLAttribute(null=True)

    by_wake = ByWake()
    by_journey = ByJourney()


class JourneyCounts(Table):
    """What is counted of a version of a journey ("<journey>#<number>"), in shards."""

    class Meta(TableMeta):
        table_name = name("journey_counts")

    journey = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)


def run_part(journey_id: str, run_id: str) -> str:
    """Name the part of a run."""
    return f"{RUN}{journey_id}#{run_id}"


def run_key(member_id: str, journey_id: str, run_id: str) -> Key:
    """Name the item of a run."""
    return JourneyRuns, (member_id, run_part(journey_id, run_id))


def guard_key(member_id: str, journey_id: str, key: str) -> Key:
    """Name the item that says which run of the journey is the member's active one, under that key of its entry. It
    outlives who leaves the mall, and so what a client wrote does not stand in it."""
    return JourneyRuns, (member_id, f"{ACTIVE}{journey_id}#{ids.derived('k', key) if key else ''}")


def has_key(part: str) -> bool:
    """Say whether a guard, by its part, is of one key of its journey's entry: of those there may be many."""
    return bool(part.split("#", 2)[2])


def early_part(fact: Heard) -> str:
    """Name the part of a fact that is told before a run begins."""
    return f"{EARLY}{clock.stamp(fact.at)}#{ids.derived('f', fact.cause)}"


def grants_key(member_id: str) -> Key:
    """Name the item of what the member got of journeys."""
    return JourneyRuns, (member_id, GRANTS)


def wake_shard(member_id: str) -> int:
    """Say in which shard of WAKE_SHARDS the member's runs are."""
    return ids.shard(member_id, WAKE_SHARDS)


def place_of(journey_id: str, shard: int) -> str:
    """Name one shard of those who are in a journey."""
    return f"{journey_id}#{shard}"


def count_key(journey_id: str, version: int, member_id: str) -> tuple[str, str]:
    """Name the counter in which a member counts for a version."""
    return count_keys(journey_id, version)[wake_shard(member_id) % COUNT_SHARDS]


def count_keys(journey_id: str, version: int) -> list[tuple[str, str]]:
    """Name the counters of a version."""
    return [(f"{journey_id}#{version:06}", f"n#{shard}") for shard in range(COUNT_SHARDS)]


def by_counter(member_ids: Iterable[str], first: int = 0) -> list[str]:
    """Put members together who count in one counter, whose runs are also in few of the WAKE_SHARDS: a transaction of
    some of them changes little that others change. Each of several who go on side by side begins at another counter
    (`first`), so that they do not meet there."""
    return sorted(member_ids, key=lambda one: ((wake_shard(one) - first) % COUNT_SHARDS, wake_shard(one)))


def run_item(run: Run) -> JourneyRuns:
    """Make the item of a run, as it is listed by what it is."""
    ended = run.state == "ended"
    waits = run.state == "active" and not run.arriving and run.wake is not None
    shard = ids.shard(run.member_id, JOURNEY_SHARDS)
    item = JourneyRuns(run.member_id, run_part(run.journey_id, run.run_id), run=run, seq=run.seq)
    item.wake_shard = str(wake_shard(run.member_id)) if waits else None
    item.wake_at = clock.stamp(run.wake) if waits and run.wake is not None else None
    item.place = None if ended else place_of(run.journey_id, shard)
    item.expires = max(run.ended_at, run.goal_until or run.ended_at) + KEPT if run.ended_at is not None else None
    return item
