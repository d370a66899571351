"""What journeys and messages cost, for docs/bench.md."""

from __future__ import annotations

from bench.markdown import table
from bench.units.figures import CAME_IN, ENROLLED, GRANTED, HEARD, SENT, SETTLED, WHOLE, WOKEN, Doing, Journeys
from chalicelib.growth.journeys.timing.rules import SPREAD_SECONDS

#: What each may write for one member, in write units with those of indexes.
WRITES = {ENROLLED: 8, CAME_IN: 12, WOKEN: 6, GRANTED: 24, SENT: 16, SETTLED: 12, HEARD: 12}
#: How many milliseconds after its second a refund may be handed to WeChat, beside very many.
LATE_MS = 2000


def part(found: Journeys) -> str:
    """Tell of journeys and messages."""
    rows = [_row(doing) for doing in found.doings]
    seen = found.rush
    together = [
        (f"{seen.members:,} members have come in, after the call", "", f"{seen.entered_s:g}"),
        ("all have gone on, after the time at which they wake", f"{seen.spread_s}", f"{seen.woken_s:g}"),
        ("each has their coupon", f"{seen.spread_s}", f"{seen.granted_s:g}"),
        ("each has their SMS, as its vendor took it", f"{seen.spread_s}", f"{seen.sent_s:g}"),
    ]
    late = [(one.what, one.most_ms, LATE_MS) for one in seen.late]
    return f"""## Journeys and messages

Of one member, in the ladder; those whom one call lets in are in a journey that waits, and who hears of a message's end
in one that is over with it. Each is a job, from its lease to its end, and what many have in common is divided by how
many it sees to together. The message is an SMS that sells: of all it reserves the most, a place in the member's log and
money of the day.

{table(("", "together", "round trips", "transactions", "RRU", "WRU", "may be", "CPU ms"), rows)}

{seen.members:,} members come into a journey by one call of an operator's, wake at one time of the clock, and get a
coupon and a message. A deployed mall spreads {WHOLE:,} of them over {SPREAD_SECONDS} s; these are spread over
{seen.spread_s} s, so that as many wake in a second, and all that comes after that is work. They are looked for at each
quarter of a minute. {seen.readers} readers of either lane were at work in one process of this machine, with DynamoDB
Local and the sandbox.

{table(("", "s of spread", "s"), together)}

Beside them, at most so many milliseconds after its second:

{table(("", "ms", "may be"), late)}

What that is in a deployed mall, and in money, is in [cost.md](cost.md#journeys-and-messages)."""


def _row(doing: Doing) -> tuple[str, ...]:
    step, of = doing.step, doing.together
    writes = step.writes + step.index_writes
    return (
        step.name, f"{of}", f"{step.trips / of:.2f}", f"{step.transactions / of:.2f}", f"{step.reads / of:.2f}",
        f"{writes / of:.2f}", f"{WRITES[step.name]}", f"{step.cpu_ms / of:.2f}",
    )  # fmt: skip
