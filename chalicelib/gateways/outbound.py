"""What becomes of a call to another's server that failed, and when to ask again: one policy for each errand. Pure.

    step = next_step(REFUNDS, fault, job.task.attempts)

The policies themselves are data (`patience.py`); a request of a shopper loads them, and no client of another's server.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, Protocol

import msgspec

_TOO_MANY_REQUESTS = 429


class Fault(Protocol):
    """A call that failed, as each client's error says it."""

    code: str
    http: int | None

    @property
    def passing(self) -> bool:
        """Whether it may go away by itself; a refusal for good does not."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How patient the mall is with an errand of one kind at another's server.

    `parked_codes` ask for patience (a short balance, too many calls): nothing has failed, and the errand waits for
    `park_seconds`. A refusal for good is believed after `believed_after` failed attempts; with `refusals_alike` only
    where it is the same as the one before, and what is refused in ever other words is parked. Operators are shown why
    an errand waits after `shown_after` failed attempts; with `shows_refusals` a refusal at once. An errand that is
    under way is asked about again after as long as it has been there, within `ask_seconds_min` and `ask_seconds_max`,
    and as `decided_within` ends. One that is not done within `late_after` is late. One that the other side has
    forgotten waits for an operator: `forgotten_seconds`.
    """

    parked_codes: frozenset[str]
    park_seconds: float
    believed_after: int
    shown_after: int
    ask_seconds_min: float
    ask_seconds_max: float
    refusals_alike: bool = False
    shows_refusals: bool = False
    decided_within: timedelta | None = None
    late_after: timedelta | None = None
    forgotten_seconds: float = 0.0


class Step(msgspec.Struct, frozen=True):
    """What to do about a failed call: `park` the errand, `retry` it soon, or take it for `refused` for good; and
    whether operators are to be shown why it waits."""

    action: Literal["park", "retry", "refused"]
    is_shown: bool


def next_step(policy: Policy, fault: Fault, attempts: int, last_code: str = "") -> Step:
    """Decide what to do about a failed call, after `attempts` failures in a row before it.

    `last_code` is why the errand waited before, where it did: the code that operators are shown.
    """
    if fault.code in policy.parked_codes or fault.http == _TOO_MANY_REQUESTS:
        return Step("park", is_shown=True)
    if fault.passing:
        return Step("retry", is_shown=attempts >= policy.shown_after)
    if attempts >= policy.believed_after and (not policy.refusals_alike or fault.code == last_code):
        return Step("refused", is_shown=False)
    if attempts >= policy.shown_after:
        return Step("park", is_shown=True)
    return Step("retry", is_shown=policy.shows_refusals)


def ask_again_seconds(policy: Policy, since: datetime, now: datetime) -> float:
    """Tell how many seconds to wait before asking again about an errand that has been under way since then."""
    lasted = (now - since).total_seconds()
    wait = min(max(lasted, policy.ask_seconds_min), policy.ask_seconds_max)
    if policy.decided_within is None:
        return wait
    remaining = policy.decided_within.total_seconds() - lasted
    return min(wait, remaining) if remaining > 0 else wait


def is_late(policy: Policy, since: datetime, now: datetime) -> bool:
    """Tell whether an errand should have been done by now."""
    return policy.late_after is not None and now - since >= policy.late_after
