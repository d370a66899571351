"""What became of those who came in, and whether the journey helped, from what is counted of its versions. Pure.

Shares are basis points, rounded half up; the bounds of an interval are rounded outwards, so that it is never narrower
than it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from chalicelib.growth.journeys.language.rules import Plan
from chalicelib.growth.journeys.runs.rules import CONTROL, TREATED
from chalicelib.growth.journeys.statistics.rules import Arm, Uplift, Verdict, sample_ratio, uplift

_BP = 10_000
#: States of messages that were sent, as their counts name them.
_OUT = ("sent", "delivered")


class StepCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many came to a step, went on from it, and stand there; and how many of those in whom the goal was reached
    stood there then."""

    step: str
    came: int = msgspec.field(name="in")
    went: int = msgspec.field(name="out")
    waiting: int
    converted: int


class ArmCount(msgspec.Struct, frozen=True, kw_only=True):
    """The members of an arm, how many of them reached the goal, and what they paid while it counts."""

    arm: str
    members: int
    converted: int
    rate_bp: int
    gmv_fen: int


class RevenueUplift(msgspec.Struct, frozen=True, kw_only=True):
    """How much more a treated member paid than one of the control group, in fen, and between what that lies."""

    diff_fen: int
    low_fen: int
    high_fen: int


class UpliftCount(msgspec.Struct, frozen=True, kw_only=True):
    """How much more of the treated than of the control group reached the goal, in basis points, between what that lies
    with 95 %, and how probable as much is by chance."""

    diff_bp: int
    low_bp: int
    high_bp: int
    p: float
    verdict: Verdict
    revenue: RevenueUplift | None


class SampleCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Whether treated and control group have the members that the journey's share gives them: `off`, where they would
    not by chance (p below 0.001), and no uplift is to be believed."""

    treated: int
    control: int
    p: float
    off: bool


class SendCount(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the messages of a medium."""

    sent: int = 0
    delivered: int = 0
    failed: int = 0
    unknown: int = 0
    held: int = 0
    dropped: dict[str, int] = {}


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What the journey cost so far: its SMS at the price of the settings, and what its coupons took off orders. Where a
    template's coupons were given in other ways too, that is its share of them by number, and so an estimate."""

    sends_fen: int
    coupons_fen: int
    estimated: bool


Counts = Mapping[str, int]


def summed(several: Iterable[Counts]) -> dict[str, int]:
    """Add up what is counted of several versions."""
    whole: dict[str, int] = {}
    for counts in several:
        for name, n in counts.items():
            whole[name] = whole.get(name, 0) + n
    return whole


def named(counts: Counts, kind: str) -> dict[str, int]:
    """Give what is counted as "<kind>|<name>", by name."""
    return {name.partition("|")[2]: n for name, n in counts.items() if name.startswith(f"{kind}|")}


def active_of(counts: Counts) -> int:
    """Count those who are in the journey and do not stand still because it rests."""
    return counts.get("entered", 0) - counts.get("parked", 0) - sum(named(counts, "ended").values())


def steps_of(plans: Sequence[Plan], counts: Counts) -> list[StepCount]:
    """Count by step, in the order of the plans: the latest first, and what only earlier ones have after that."""
    came, went, goals = named(counts, "in"), named(counts, "out"), named(counts, "goal")
    order = dict.fromkeys(step_id for plan in plans for step_id in plan.steps)
    return [
        StepCount(step=one, came=came.get(one, 0), went=went.get(one, 0), waiting=came.get(one, 0) - went.get(one, 0),
                  converted=goals.get(one, 0))
        for one in order
    ]  # fmt: skip


def arms_of(counts: Counts) -> list[ArmCount]:
    """Count by arm: the treated, the control group, then those of splits."""
    members = named(counts, "n")
    order = [one for one in (TREATED, CONTROL) if one in members] + sorted(members.keys() - {TREATED, CONTROL})
    return [_arm_count(one, arm(counts, one)) for one in order]


def _arm_count(name: str, one: Arm) -> ArmCount:
    rate_bp = (2 * one.converted * _BP + one.members) // (2 * one.members) if one.members else 0
    return ArmCount(arm=name, members=one.members, converted=one.converted, rate_bp=rate_bp, gmv_fen=one.revenue_fen)


def arm(counts: Counts, name: str) -> Arm:
    """Give an arm for the statistics."""
    numbers = (counts.get(f"{kind}|{name}", 0) for kind in ("n", "conv", "gmv", "gmv2"))
    members, converted, revenue_fen, squares = numbers
    return Arm(members=members, converted=converted, revenue_fen=revenue_fen, squares=squares)


def uplift_of(counts: Counts) -> UpliftCount | None:
    """Hold the treated against the control group; None where there is none of either."""
    treated, control = arm(counts, TREATED), arm(counts, CONTROL)
    if not treated.members or not control.members:
        return None
    return _rounded(uplift(treated, control))


def _rounded(found: Uplift) -> UpliftCount:
    revenue = found.revenue
    return UpliftCount(
        diff_bp=_half_up(found.diff * _BP), low_bp=math.floor(found.low * _BP), high_bp=math.ceil(found.high * _BP),
        p=round(found.p, 4), verdict=found.verdict,
        revenue=None if revenue is None else RevenueUplift(
            diff_fen=_half_up(revenue.diff), low_fen=math.floor(revenue.low), high_fen=math.ceil(revenue.high)
        ),
    )  # fmt: skip


def _half_up(number: float) -> int:
    return math.floor(number + 0.5)


def sample_of(versions: Sequence[tuple[Plan, Counts]]) -> SampleCheck | None:
    """Hold the members of both groups against the share of each version; None where no version has a control group. Who
    is held out of all journeys is in neither."""
    treated = control = 0
    weights = [0, 0]
    for plan, counts in versions:
        percent = plan.definition.control_percent
        both = counts.get(f"n|{TREATED}", 0), counts.get(f"n|{CONTROL}", 0) - counts.get("holdout", 0)
        if not percent or min(both) < 0:
            continue
        treated, control = treated + both[0], control + both[1]
        weights[0] += sum(both) * (100 - percent)
        weights[1] += sum(both) * percent
    if not all(weights):
        return None
    found = sample_ratio((treated, control), weights)
    return SampleCheck(treated=treated, control=control, p=round(found.p, 4), off=found.is_off)


def sends_of(counts: Counts) -> dict[str, SendCount]:
    """Give what became of messages by medium; "-" stands for those that no medium was chosen for."""
    media: dict[str, dict[str, dict[str, int]]] = {}
    for name, n in counts.items():
        medium, _, what = name.partition("|")
        state, _, reason = what.partition(":")
        into = media.setdefault(medium, {}).setdefault(state, {})
        into[reason] = into.get(reason, 0) + n
    return {medium: _send_count(states) for medium, states in sorted(media.items())}


def _send_count(states: Mapping[str, Mapping[str, int]]) -> SendCount:
    plain: dict[Literal["sent", "delivered", "failed", "unknown", "held"], int] = {
        state: sum(states.get(state, {}).values()) for state in ("sent", "delivered", "failed", "unknown", "held")
    }
    return SendCount(**plain, dropped=dict(states.get("dropped", {})))


def sends_fen(sends: Mapping[str, SendCount], sms_fen: int) -> int:
    """Say what the messages cost: an SMS that went out its price, also one of which nobody knows; others nothing."""
    sms = sends.get("sms", SendCount())
    return (sms.sent + sms.delivered + sms.unknown) * sms_fen


def coupons_fen(given: int, issued: int, off_fen: int) -> tuple[int, bool]:
    """Say what so many coupons of a template took off orders, and whether that is an estimate: of its `issued` all took
    off `off_fen` together."""
    if given >= issued:
        return off_fen, False
    return (2 * off_fen * given + issued) // (2 * issued), bool(off_fen and given)
