"""Members of a world in which it is known how many of them convert: drawn, or each outcome by its probability."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from itertools import accumulate

from chalicelib.growth.journeys.statistics.rules import Arm

#: So often a world is played.
TIMES = 2000
#: The share of plays in which an interval of 95 % may hold the truth.
COVERED = (0.935, 0.965)


def arm(converted: int, members: int) -> Arm:
    """An arm of whose members nobody pays."""
    return Arm(members=members, converted=converted)


@cache
def shares_of(count: int, rate: float) -> tuple[int, list[float]]:
    """The binomial distribution: from which number on, and the probability of it and of each further one."""
    spread = 9 * math.sqrt(count * rate * (1 - rate)) + 9
    first, last = max(0, int(count * rate - spread)), min(count, int(count * rate + spread))
    whole = math.lgamma(count + 1)
    return first, [
        math.exp(
            whole - math.lgamma(number + 1) - math.lgamma(count - number + 1)
            + number * math.log(rate) + (count - number) * math.log1p(-rate)
        )
        for number in range(first, last + 1)
    ]  # fmt: skip


def drawn(source: random.Random, count: int, rate: float) -> Callable[[], int]:
    """Of so many members so many convert, drawn anew at each call."""
    first, each = shares_of(count, rate)
    up_to = list(accumulate(each))
    return lambda: first + bisect_left(up_to, source.random() * up_to[-1])
