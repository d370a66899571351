"""The figures of whole lives, as bench/results.json keeps them (bench/units/scenario.py measures them)."""

from __future__ import annotations

import msgspec

#: What is measured of journeys and messages (bench/units/journeys.py).
ENROLLED, CAME_IN, WOKEN = "members come in by one call", "a member comes in by what they did", "waits that are over"
GRANTED, SENT, SETTLED = "a coupon, with its message queued", "an SMS", "a message's end, for which a run waits"
HEARD = "an order that was paid for, and moves a run"
#: For so many it is computed how long they take at once.
WHOLE = 100_000


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A call, or a kind of job: how often it comes in one visit or order, in which function, and what it takes each
    time; `transactions` are among the trips. Bytes are those of log lines, and of the answer's body as it is sent."""

    name: str
    function: str
    times: float
    trips: float
    transactions: float
    reads: float
    writes: float
    index_writes: float
    wechat: float
    cpu_ms: float
    log_lines: float
    log_bytes: float
    sent_bytes: float


class Place(msgspec.Struct, frozen=True):
    """A table, or an index as table.index, with its request units for one visit or order."""

    place: str
    reads: float
    writes: float


class Meeting(msgspec.Struct, frozen=True):
    """Where orders of different members write to one partition of a table or an index: its key's pattern, whether it is
    one of several shards, and the write units of one order there (on all shards together)."""

    place: str
    pattern: str
    sharded: bool
    writes: float


class Reading(msgspec.Struct, frozen=True):
    """What a call or a job reads each time of a partition that others of its kind read too: the pattern of its key,
    whether it is one of several shards, and read units (of all shards together)."""

    step: str
    place: str
    pattern: str
    sharded: bool
    reads: float


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """What one visit or one order takes, as the mean of `measured` of them. `stored`: bytes that stay, by table with
    its indexes."""

    name: str
    measured: int
    steps: list[Step]
    places: list[Place]
    meetings: list[Meeting]
    readings: list[Reading]
    stored: dict[str, float]


class Lives(msgspec.Struct, frozen=True, kw_only=True):
    """All lives; the plain one again with one product for all; and what a schedule's look takes when nothing is due."""

    visit: Life
    orders: list[Life]
    one_product: list[Meeting]
    looks: list[Step]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """Round trips, transactions among them, and request units, with those of indexes."""

    trips: float
    transactions: float
    reads: float
    writes: float


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch of so many events of so many bytes in all, some of which a rule looks at, and which moves nobody."""

    events: int
    bytes: int
    cpu_ms: float
    work: Work


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One of several members whom time alone moves from one segment into another at once: what is known of each has so
    many bytes; `written` are write units by table."""

    name: str
    bytes: int
    together: int
    cpu_ms: float
    work: Work
    written: dict[str, float]


class Ordered(msgspec.Struct, frozen=True, kw_only=True):
    """An order of a member from the quote to the last job that it owes, with these rules in force: which of theirs it
    is, how many segments it brings them into and out of, the bytes of what is known of them then, units, and jobs."""

    rules: str
    number: int
    moves: int
    bytes: int
    reads: float
    writes: float
    jobs: int


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """So many members held against a rule: what it takes for each of them."""

    members: int
    cpu_ms: float
    work: Work


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """By how many milliseconds at most something was done after its second."""

    what: str
    most_ms: int


class AtOnce(msgspec.Struct, frozen=True, kw_only=True):
    """So many members due in one second: after how many seconds all stood in their lists, by so many readers of their
    lane side by side; and what came to its second beside them."""

    members: int
    seconds: float
    readers: int
    late: list[Late]


class Segments(msgspec.Struct, frozen=True, kw_only=True):
    """All about segments that is measured in one process."""

    batch: Batch
    transitions: list[Transition]
    orders: list[Ordered]
    build: Looked
    tried: Looked
    at_once: AtOnce


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """Two members who became one, the former with so many orders, commissions and batches of events: round trips, read
    units, and write units with those of indexes, by step and by table."""

    orders: int
    commissions: int
    batches: int
    trips: int
    reads: float
    writes: dict[str, float]
    written: dict[str, float]


class Doing(msgspec.Struct, frozen=True, kw_only=True):
    """What a job of journeys or messages takes that sees to so many members together, and of that what each of them
    reads and writes in every place."""

    together: int
    step: Step
    places: list[Place]


class Rush(msgspec.Struct, frozen=True, kw_only=True):
    """So many members came in by one call, and woke at one time of the clock, over `spread` seconds: how long it took
    until all were in; and from that time on until all had gone on, had their coupon, and their message; by so many
    readers of either lane side by side. And what came to its second beside them."""

    members: int
    readers: int
    entered_s: float
    spread_s: int
    woken_s: float
    granted_s: float
    sent_s: float
    late: list[Late]


class Journeys(msgspec.Struct, frozen=True, kw_only=True):
    """All about journeys and messages that is measured in one process."""

    doings: list[Doing]
    rush: Rush
