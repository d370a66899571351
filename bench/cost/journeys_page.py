"""What journeys and messages cost by AWS's prices, and how long very many take in a deployed mall."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.cost import quotas, traffic
from bench.cost.quota_page import HOME
from bench.cost.usage import STAGE, Mall, Prices, Usage, added, bill
from bench.markdown import table
from bench.units.figures import CAME_IN, ENROLLED, GRANTED, HEARD, SENT, WHOLE, WOKEN, Doing
from chalicelib.growth.journeys.enrolling.rules import PARTS_MAX
from chalicelib.growth.journeys.tables import COUNT_SHARDS, JOURNEY_SHARDS, WAKE_SHARDS
from chalicelib.growth.journeys.timing.rules import SPREAD_SECONDS
from chalicelib.growth.messaging.limits.rules import MediaRules
from chalicelib.growth.messaging.tables import QUEUE_SHARDS
from chalicelib.platform.jobs.declarations import MANY, SENDS
from chalicelib.platform.jobs.timers import GRAIN_MS
from infra import alarms

_MEMBERS = 10_000
#: The ladder of who does not buy: what of it comes how often.
LADDER = {CAME_IN: 1, WOKEN: 4, GRANTED: 3, SENT: 3}
#: What very many may take, in minutes.
ENTRY_MINUTES, WAKE_MINUTES = 5, 15

Money = Callable[[float, str, Prices], str]


def section(malls: Mapping[str, Mall], listed: Prices, money: Money) -> str:
    """Tell of a month, and of very many at once."""
    mall = malls[HOME]
    ladder = sum(n * _written(quotas.doing_of(mall, name)) for name, n in LADDER.items())
    fen, told = MediaRules().sms_fen, LADDER[SENT]
    idle = " or ".join(
        money(sum(bill(_idle(each), region, listed).values()), region, listed) for region, each in malls.items()
    )
    send, rates = quotas.doing_of(mall, SENT).step, [quotas.sends_a_second(each) for each in malls.values()]
    sent = " or ".join(f"{rate:.0f}" for rate in rates)
    all_sent = " or ".join(f"{WHOLE / rate / 60:.0f}" for rate in rates)
    return f"""## Journeys and messages

What [bench.md](bench.md#journeys-and-messages) measured: requests of DynamoDB, Lambda, and lines of the log, as if each
job were an invocation of its own:

{_priced(malls, listed, money)}

The ladder of who does not buy is an entry, {LADDER[WOKEN]} waits, {LADDER[GRANTED]} coupons and {told} messages:
{ladder:,.0f} WRU for each member. It is little beside the SMS: {told} of them at {fen} fen, for which the settings take
one, are ¥{told * _MEMBERS * fen / 100:,.0f} for {_MEMBERS:,} members. Where nothing is sent,
the lane of sends costs {idle} a month, with its {len(_alarms())} alarms and its metric, before X-Ray
([decision 43](decisions/0043-a-lane-for-sends.md)); journeys that nobody is in cost nothing.

**{WHOLE:,} members come in by one call** within some {_longest(entry(mall))} s; {ENTRY_MINUTES} minutes are what it
may take. Each line is what that takes at least, and the longest decides:

{_bounds(entry(mall))}

Who comes in by what they did (an order, a segment that they come into) does so by a job of their own: {WHOLE:,} at once
within some {_longest(each_alone(mall))} s.

{_bounds(each_alone(mall))}

**{WHOLE:,} members wake at one time of the clock, and get a coupon**, and a message queued, within some
{_longest(wakes(mall))} s and a quarter of a minute; {WAKE_MINUTES} minutes are what it may take. The first line is the
mall's own doing: a hash of each run spreads them, and the rest is done while that lasts.

{_bounds(wakes(mall))}

A transaction that meets another at a counter is tried again a moment later; that is not in these lines.

**Messages** go out {sent} a second, by {quotas.readers(SENDS)} readers side by side, and {WHOLE:,} within {all_sent}
minutes. A send takes {send.trips:g} round trips, {send.transactions:g} of them transactions, its CPU, and the call to
its platform, which is most of it, across the border above all. More readers send more (`BATCHES_AT_ONCE` in
infra/functions.py), as far as the platforms' limits go; refunds have readers of their own in any case."""


def _priced(malls: Mapping[str, Mall], listed: Prices, money: Money) -> str:
    ladder = {name: float(n * _MEMBERS) for name, n in LADDER.items()}
    doings: dict[str, Mapping[str, float]] = {
        f"{_MEMBERS:,} members go through the ladder, and do not buy": ladder,
        f"{_MEMBERS:,} orders that are paid for move a run": {HEARD: _MEMBERS},
        f"{WHOLE:,} members come in by one call": {ENROLLED: WHOLE},
        f"{WHOLE:,} get a coupon, and a message queued": {GRANTED: WHOLE},
        f"{WHOLE:,} are sent a message": {SENT: WHOLE},
    }
    rows = [
        (
            what,
            *(
                money(sum(bill(used(each, done), region, listed).values()), region, listed)
                for region, each in malls.items()
            ),
        )
        for what, done in doings.items()
    ]
    return table(("", *(listed.regions[region].name for region in malls)), rows)


def _bounds(found: Mapping[str, float]) -> str:
    return table(("", "s"), [(name, _seconds(seconds)) for name, seconds in found.items()])


def _longest(found: Mapping[str, float]) -> str:
    return _seconds(max(found.values()))


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f}"


# What very many have to get through, and the seconds of each


def entry(mall: Mall) -> dict[str, float]:
    """So many who come in by one call."""
    doing = quotas.doing_of(mall, ENROLLED)
    written, quota, new = _table(doing, "journey_runs"), quotas.TABLE_WRITES, quotas.NEW_TABLE_WRITES
    return {
        f"the {PARTS_MAX} parts of an audience, side by side": (
            WHOLE / doing.together * _took(mall, doing) / PARTS_MAX
        ),
        **_counters(doing),
        f"the {JOURNEY_SHARDS} partitions of who is in it": (
            _partition("journey_runs.by_journey", doing) / JOURNEY_SHARDS
        ),
        f"the {WAKE_SHARDS} partitions of who waits": _partition("journey_runs.by_wake", doing) / WAKE_SHARDS,
        f"the table `journey_runs`, at its quota of {quota:,} WRU a second": written / quota,
        f"the same while it is new, at {new:,}": written / new,
    }


def each_alone(mall: Mall) -> dict[str, float]:
    """So many who come in at once by what they did, each by a job."""
    doing = quotas.doing_of(mall, CAME_IN)
    return {"the readers of the stream": WHOLE * _took(mall, doing) / quotas.readers(MANY), **_counters(doing)}


def wakes(mall: Mall) -> dict[str, float]:
    """So many who wake at one time, and get a coupon."""
    waits, coupon = quotas.doing_of(mall, WOKEN), quotas.doing_of(mall, GRANTED)
    looks = min(SPREAD_SECONDS * 1000 / GRAIN_MS * WAKE_SHARDS, WHOLE / waits.together)
    read = WHOLE * (_took(mall, waits) / waits.together + _took(mall, coupon)) / quotas.readers(MANY)
    jobs = quotas.shards("many_shards")
    return {
        "the span over which they are spread": SPREAD_SECONDS,
        f"the first looks at {WAKE_SHARDS} shards in each quarter of a minute, by the schedule's worker": (
            looks * _took(mall, waits)
        ),
        "the readers of the stream": read,
        **_counters(waits, coupon),
        f"the {QUEUE_SHARDS} partitions of the list of messages": (
            _partition("messages.by_queueing", coupon) / QUEUE_SHARDS
        ),
        f"the {jobs} partitions of jobs": _partition("jobs_of_many", waits, coupon) / jobs,
    }


def _counters(*doings: Doing) -> dict[str, float]:
    held = sum(WHOLE / doing.together * doing.step.transactions * _transaction_ms(doing) for doing in doings) / 1000
    return {
        "a version's counters, which are one partition": _partition("journey_counts", *doings),
        f"its {COUNT_SHARDS} counters, each in one transaction at a time": held / COUNT_SHARDS,
    }


def _partition(place: str, *doings: Doing) -> float:
    """The seconds in which one partition takes what so many write there."""
    return sum(_at(doing, place) for doing in doings) * WHOLE / quotas.PARTITION_WRITES


def _table(doing: Doing, name: str) -> float:
    """What so many write to a table and its indexes."""
    return WHOLE * sum(_at(doing, one.place) for one in doing.places if one.place.partition(".")[0] == name)


def _at(doing: Doing, place: str) -> float:
    return sum(one.writes for one in doing.places if one.place == place)


def _took(mall: Mall, doing: Doing) -> float:
    """How long a reader takes for it, in seconds."""
    more = doing.step.transactions * (_transaction_ms(doing) - traffic.TRANSACTION_MS.number)
    return mall.seconds(doing.step) + more / 1000


def _transaction_ms(doing: Doing) -> float:
    """A transaction of many members is a large one."""
    return (traffic.LARGE_TRANSACTION_MS if doing.together > 1 else traffic.TRANSACTION_MS).number


def _written(doing: Doing) -> float:
    return (doing.step.writes + doing.step.index_writes) / doing.together


def _idle(mall: Mall) -> Usage:
    """What the lane of sends uses in a month in which nothing is sent: traces are counted for all functions at once."""
    schedule = {name: amount for name, amount in mall.schedule("run-due-sends").items() if name != "trace"}
    return schedule | {"alarm": len(_alarms()), "metric": 1}


def _alarms() -> list[str]:
    return [name for name in alarms.alarms(STAGE, workers=1) if "Sends" in name]


def used(mall: Mall, doings: Mapping[str, float]) -> Usage:
    """What so many members of each of these use."""
    found = [(members, quotas.doing_of(mall, name)) for name, members in doings.items()]
    return added((members / doing.together, mall.of([(1, doing.step)])) for members, doing in found)
