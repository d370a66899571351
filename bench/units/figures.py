"""The figures of whole lives, as bench/results.json keeps them (bench/units/scenario.py measures them)."""

from __future__ import annotations

import msgspec


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
