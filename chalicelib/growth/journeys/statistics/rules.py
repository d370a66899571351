"""Whether a journey helped: what those who got something came to, held against those who got nothing. Pure.

Shares are of members who converted, 0 to 1; amounts are fen. Intervals are of 95 %, and p-values two-sided: of twenty
journeys that change nothing one looks as if it did, and of those that are looked at anew each day until they do, more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

Verdict = Literal["not_enough", "better", "worse", "no_difference"]

#: Of the normal distribution: beyond it lie 2.5 %, and 20 %.
_Z_95 = 1.959963984540054
_Z_POWER = 0.8416212335729143
#: Conversions in the smaller arm below which nothing is said.
CONVERSIONS_MIN = 100
#: Members of an arm below which what they paid is not compared.
MEMBERS_MIN = 10
#: Below it the arms do not have the members that their weights give them.
MISMATCH_P = 0.001
_WHOLE_BP = 10_000
_WHOLE_PERCENT = 100


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """Members who were put into one arm as they entered: how many, how many of them converted, what they paid together,
    and the sum of the squares of what each paid. All exact."""

    members: int
    converted: int = 0
    revenue_fen: int = 0
    squares: int = 0

    @property
    def rate(self) -> float:
        """The share that converted; 0 of nobody."""
        return self.converted / self.members if self.members else 0.0

    @property
    def mean_fen(self) -> float:
        """What a member paid in the mean; 0 of nobody."""
        return self.revenue_fen / self.members if self.members else 0.0

    @property
    def variance(self) -> float:
        """The variance of what its members paid, from two of them on."""
        each, count = self.members * self.squares - self.revenue_fen**2, self.members
        return each / (count * (count - 1))


class Interval(msgspec.Struct, frozen=True):
    """A difference, and between what it lies with 95 %."""

    diff: float
    low: float
    high: float


class Uplift(msgspec.Struct, frozen=True, kw_only=True):
    """How much more of the treated than of the control group converted (`diff`, in shares), between what that lies, how
    probable as much is where there is no difference (`p`), and what may be said of it. `revenue`: the same of what a
    member paid, in fen; None while nothing can be said."""

    diff: float
    low: float
    high: float
    p: float
    verdict: Verdict
    revenue: Interval | None


class SampleRatio(msgspec.Struct, frozen=True):
    """How far the members of the arms are from what their weights give them, and how probable as much is by chance.
    Where `is_off` something puts members into arms otherwise than by the draw, and no uplift is to be believed."""

    chi_square: float
    p: float
    is_off: bool


def uplift(treated: Arm, control: Arm) -> Uplift:
    """Hold the treated against the control group."""
    shares = share_difference(treated, control)
    return Uplift(
        diff=shares.diff, low=shares.low, high=shares.high, p=p_value(treated, control),
        verdict=_verdict(treated, control, shares), revenue=revenue_difference(treated, control),
    )  # fmt: skip


def _verdict(treated: Arm, control: Arm, shares: Interval) -> Verdict:
    smaller = min(treated, control, key=lambda arm: (arm.members, arm.converted))
    if smaller.converted < CONVERSIONS_MIN:
        return "not_enough"
    if shares.low > 0:
        return "better"
    return "worse" if shares.high < 0 else "no_difference"


def share_interval(arm: Arm) -> tuple[float, float]:
    """Say between what the arm's share lies (Wilson's score interval); of nobody it may be any."""
    if not arm.members:
        return 0.0, 1.0
    squared, count, rate = _Z_95**2, arm.members, arm.rate
    centre = rate + squared / (2 * count)
    half = _Z_95 * math.sqrt((rate * (1 - rate) + squared / (4 * count)) / count)
    whole = 1 + squared / count
    return max(0.0, (centre - half) / whole), min(1.0, (centre + half) / whole)


def share_difference(one: Arm, other: Arm) -> Interval:
    """Say how much more of one arm than of the other converted, and between what that lies (Newcombe 1998, method 10:
    by Wilson's intervals of both)."""
    if not one.members or not other.members:
        return Interval(0.0, -1.0, 1.0)
    (low, high), (other_low, other_high) = share_interval(one), share_interval(other)
    diff = one.rate - other.rate
    below = math.hypot(one.rate - low, other_high - other.rate)
    above = math.hypot(high - one.rate, other.rate - other_low)
    return Interval(diff, max(-1.0, diff - below), min(1.0, diff + above))


def p_value(one: Arm, other: Arm) -> float:
    """Say how probable two shares so far apart are where both arms have one (the pooled z of two proportions)."""
    count, converted = one.members + other.members, one.converted + other.converted
    if not one.members or not other.members or converted in (0, count):
        return 1.0
    pooled = converted / count
    spread = math.sqrt(pooled * (1 - pooled) * (1 / one.members + 1 / other.members))
    return math.erfc(abs(one.rate - other.rate) / spread / math.sqrt(2))


def revenue_difference(one: Arm, other: Arm) -> Interval | None:
    """Say how much more a member of one arm paid than one of the other, in fen, and between what that lies (Welch).

    None while an arm has fewer than MEMBERS_MIN members, or all of it paid the same, such as nothing.
    """
    if min(one.members, other.members) < MEMBERS_MIN:
        return None
    parts = [arm.variance / arm.members for arm in (one, other)]
    if not all(parts):
        return None
    freedom = sum(parts) ** 2 / sum(part**2 / (arm.members - 1) for part, arm in zip(parts, (one, other), strict=True))
    diff, half = one.mean_fen - other.mean_fen, _t_95(freedom) * math.sqrt(sum(parts))
    return Interval(diff, diff - half, diff + half)


def _t_95(freedom: float) -> float:
    """Beyond it lie 2.5 % of Student's distribution: its expansion by the normal one (Abramowitz and Stegun 26.7.5), to
    four digits from nine degrees of freedom on."""
    z = _Z_95
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def sample_ratio(members: Sequence[int], weights: Sequence[int]) -> SampleRatio:
    """Hold the members of each arm against its weight (chi-square). An arm without weight has no members.

    Raises ValueError when there are not as many of both, or an arm without weight has members.
    """
    arms = [(count, weight) for count, weight in zip(members, weights, strict=True) if weight or count]
    if not all(weight > 0 for _, weight in arms):
        raise ValueError("an arm without weight has members")
    count, weight = sum(members), sum(weights)
    if not count or len(arms) < 2:
        return SampleRatio(0.0, 1.0, False)
    square = sum((found * weight - count * share) ** 2 / (count * share * weight) for found, share in arms)
    p = _beyond_chi_square(square, len(arms) - 1)
    return SampleRatio(square, p, p < MISMATCH_P)


def _beyond_chi_square(square: float, freedom: int) -> float:
    """The probability of a larger one, which for whole degrees of freedom is a sum of so many terms."""
    half = square / 2
    odd = freedom % 2
    p = math.erfc(math.sqrt(half)) if odd else 0.0
    for step in range(freedom // 2):
        power = step + odd / 2
        p += math.exp(power * math.log(half) - half - math.lgamma(power + 1)) if half else float(power == 0)
    return min(p, 1.0)


def members_needed(base_bp: int, uplift_bp: int, control_percent: int) -> int:
    """Say how many members must enter so that an uplift of so much is seen in four of five such journeys, or three of
    four where the control group is small.

    At a base of 3 % one point more needs 49,000 with a control group of 5 %, 26,000 with 10 %, 10,600 with 50 %.
    `base_bp` is the share that converts without the journey, `uplift_bp` how much more (or less) converts with it.
    Raises ValueError for shares outside of 0 to 10,000, no uplift, and a control group that is none or everybody.
    """
    base, treated, control = _planned(base_bp, uplift_bp, control_percent)
    spread = base * (1 - base) / control + treated * (1 - treated) / (1 - control)
    return math.ceil((_Z_95 + _Z_POWER) ** 2 * spread / (treated - base) ** 2)


def members_for_verdict(base_bp: int, uplift_bp: int, control_percent: int) -> int:
    """Say how many members must enter so that anything is said of it at all: CONVERSIONS_MIN in the smaller arm.

    It may be more than `members_needed`: at a base of 3 % 66,667 with a control group of 5 %. Raises as that does, and
    where nobody of the smaller arm converts.
    """
    base, treated, control = _planned(base_bp, uplift_bp, control_percent)
    smaller, rate = min((control, base), (1 - control, treated))
    if not rate:
        raise ValueError("nobody of the smaller arm converts")
    return math.ceil(CONVERSIONS_MIN / (smaller * rate))


def _planned(base_bp: int, uplift_bp: int, control_percent: int) -> tuple[float, float, float]:
    treated_bp = base_bp + uplift_bp
    if not (0 <= base_bp <= _WHOLE_BP and 0 <= treated_bp <= _WHOLE_BP and uplift_bp):
        raise ValueError(f"no share goes from {base_bp} by {uplift_bp} basis points")
    if not 0 < control_percent < _WHOLE_PERCENT:
        raise ValueError(f"a control group of {control_percent} % is none")
    return base_bp / _WHOLE_BP, treated_bp / _WHOLE_BP, control_percent / _WHOLE_PERCENT
