"""What the mall has that a journey may name, and how a fault of a journey is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.commerce.coupons.rules import Template as CouponTemplate
from chalicelib.core.errors import FieldError, Reason, Term
from chalicelib.growth.journeys.language.rules import Plan
from chalicelib.growth.messaging.rules import Medium
from chalicelib.growth.messaging.rules import Template as MessageTemplate

#: The parts of a journey beside its steps.
PARTS = {
    "entry": Term("entry", "入口", "the entry"),
    "re_entry": Term("re_entry", "重复进入", "re_entry"),
    "audience": Term("audience", "人群", "the audience"),
    "exclude": Term("exclude", "排除人群", "exclude"),
    "first": Term("first", "第一步", "first"),
    "exits": Term("exits", "退出条件", "an exit"),
    "goal": Term("goal", "目标", "the goal"),
    "ends_at": Term("ends_at", "结束时间", "ends_at"),
}


class Place(msgspec.Struct, frozen=True):
    """A place in a journey: its field, and how people are told of it."""

    field: str
    term: Term

    def fault(self, reason: Reason, **params: Any) -> FieldError:
        """Say what is wrong there."""
        return reason.at(self.field, step=self.term, **params)


def step_place(step_id: str) -> Place:
    """Name a step."""
    return Place(f"steps.{step_id}", Term(step_id, f"步骤 {step_id}", f"step {step_id}"))


def part_place(part: str, at: int | None = None) -> Place:
    """Name a part, or the one of so many that stands `at` this place."""
    return Place(part if at is None else f"{part}[{at}]", PARTS[part])


class Coupons(msgspec.Struct, frozen=True):
    """A coupon template, and how many coupons of it are left."""

    template: CouponTemplate
    left: int


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What there is at an instant, of what a journey names or may name: segments, and into which of them clients alone
    can lead (`told`), tags, the plans of other journeys that are published, templates; which media are switched off;
    what is wrong with the rules of its branches, by step; and how many members are expected to come in, where that is
    known."""

    now: datetime
    segments: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    journeys: Mapping[str, Plan] = {}
    coupons: Mapping[str, Coupons] = {}
    messages: Mapping[str, MessageTemplate] = {}
    off: frozenset[Medium] = frozenset()
    rules: Mapping[str, str | Term] = {}
    expected: int | None = None
