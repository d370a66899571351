"""The language of rules: what it can say, its bounds, and what a rule must be known of. Pure.

A rule is a tree in JSON. `{"all": [..]}`, `{"any": [..]}` and `{"not": ..}` join leaves, each of which is known by its
first word: `{"purchases": "count", "within_days": 90, "op": ">=", "value": 2}`. docs/segments.md tells of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib.core import ids
from chalicelib.core.errors import FieldError, MallError
from chalicelib.core.refusals import KINDS, REQUIRED, UNKNOWN_FIELD, WRONG_KIND
from chalicelib.customers.members.rules import Segment
from chalicelib.growth.distribution.rules import DistributorState
from chalicelib.growth.segments.refusals import (
    BETWEEN_ORDER,
    BETWEEN_TWO,
    ONE_PART,
    ONE_WINDOW,
    RULE_TOO_DEEP,
    RULE_TOO_LARGE,
)
from chalicelib.growth.segments.traits.rules import WINDOW_DAYS_MAX
from chalicelib.platform.web.types import Id, Label

#: Bounds of a rule: how deep it may be, how many leaves it may have, and of how many instants of an event it may ask.
DEPTH_MAX = 6
LEAVES_MAX = 32
INSTANTS_MAX = 50
#: Events are kept for so many days.
EVENT_DAYS_MAX = 90

Fen = Annotated[int, Meta(ge=0, le=10_000_000_000)]
Days = Annotated[int, Meta(ge=0, le=3650)]


class _Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a rule."""


class All(_Node, frozen=True, kw_only=True):
    """Every one of these holds."""

    all: Annotated[list[Any], Meta(min_length=1, max_length=LEAVES_MAX)]


class AnyOf(_Node, frozen=True, kw_only=True):
    """At least one of these holds."""

    any: Annotated[list[Any], Meta(min_length=1, max_length=LEAVES_MAX)]


class Not(_Node, frozen=True, kw_only=True):
    """The part does not hold."""

    negated: Any = msgspec.field(name="not")


class LifeCycle(_Node, frozen=True, kw_only=True):
    """The member is in one of these segments of the life cycle."""

    life_cycle: Annotated[list[Segment], Meta(min_length=1, max_length=5)]


class HasTag(_Node, frozen=True, kw_only=True):
    """The member has the tag; and has had it for at most so many days."""

    tag: Label
    within_days: Days | None = None


class HasPart(_Node, frozen=True, kw_only=True):
    """The member's profile has this."""

    profile: Literal["phone", "nickname", "avatar_url", "unionid", "birthday"]
    op: Literal["exists"]


class DaysSince(_Node, frozen=True, kw_only=True):
    """It was at most, or more than, so many days ago. Who never did it is in neither. A birthday is a day, and begins
    at midnight in Asia/Shanghai."""

    days_since: Literal["joined", "first_purchase", "last_purchase", "last_seen", "birthday"]
    op: Literal["<=", ">"]
    days: Days


class Of(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What of the goods: one category (as it was when they were ordered), one product, or one role."""

    category_id: Id | None = None
    product_id: Id | None = None
    role: Label | None = None


class Purchases(_Node, frozen=True, kw_only=True, dict=True):
    """How many orders were paid of which something is left, or what is left of what was paid for them in fen (freight
    with it, unless `of` names goods), or that by order; in all, or of those paid within so many days."""

    purchases: Literal["count", "sum_fen", "avg_fen"]
    of: Of | None = None
    within_days: Annotated[int, Meta(ge=1, le=WINDOW_DAYS_MAX)] | None = None
    op: Literal[">=", "<", "<=", "==", "between"]
    value: Fen | Annotated[list[Fen], Meta(min_length=2, max_length=2)]

    @cached_property
    def part(self) -> str:
        """Name what of the orders is meant, as Bought.parts has it."""
        if self.of is None:
            return ""
        named = {"c:": self.of.category_id, "p:": self.of.product_id, "r:": self.of.role}
        return next(kind + value for kind, value in named.items() if value is not None)


class Happened(_Node, frozen=True, kw_only=True, dict=True):
    """How often the event came within the window, with these properties."""

    event: Label
    where: Annotated[dict[Label, Annotated[str, Meta(max_length=256)] | int | bool], Meta(max_length=5)] = {}
    within_hours: Annotated[int, Meta(ge=1, le=24 * EVENT_DAYS_MAX)] | None = None
    within_days: Annotated[int, Meta(ge=1, le=EVENT_DAYS_MAX)] | None = None
    op: Literal[">=", "<", "<=", "=="]
    count: Annotated[int, Meta(ge=0, le=INSTANTS_MAX)]

    @cached_property
    def key(self) -> str:
        """Name what is counted, as Traits.rings has it."""
        counted = [self.event, self.where]
        return ids.digest(msgspec.json.encode(counted, order="deterministic"))[:10]

    @cached_property
    def kept(self) -> int:
        """Count the latest instants that must be known."""
        return max(1, self.count if self.op in (">=", "<") else self.count + 1)

    @cached_property
    def window_ms(self) -> int:
        """Give the window in milliseconds."""
        return 3_600_000 * (self.within_hours or 24 * (self.within_days or 0))


class HasCoupon(_Node, frozen=True, kw_only=True):
    """The member has an unused coupon of the template; one that ends within so many days."""

    coupon: Id
    state: Literal["unused"]
    ends_within_days: Annotated[int, Meta(ge=1, le=365)] | None = None


class CameFrom(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a visit came from: one of these."""

    channel: Label | None = None
    scene: Label | None = None
    live_room: Label | None = None


class CameBy(_Node, frozen=True, kw_only=True):
    """The member's first or last visit with a source, or the one by which they joined, came from there."""

    source: CameFrom
    touch: Literal["first", "last", "joined"]


class InSegment(_Node, frozen=True, kw_only=True):
    """The member is in that other segment."""

    segment: Id


class Share(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share of all members in percent, drawn once and for all by this salt."""

    salt: Label
    percent: Annotated[int, Meta(ge=1, le=99)]


class Random(_Node, frozen=True, kw_only=True):
    """The member is in the share."""

    random: Share


class IsDistributor(_Node, frozen=True, kw_only=True):
    """The member is a distributor in this state."""

    distributor: DistributorState


Leaf = (
    LifeCycle | HasTag | HasPart | DaysSince | Purchases | Happened | HasCoupon | CameBy | InSegment | Random
    | IsDistributor
)  # fmt: skip
Rule = All | AnyOf | Not | Leaf

#: By the word by which each is known.
_KINDS: dict[str, type[Any]] = {
    "all": All, "any": AnyOf, "not": Not, "life_cycle": LifeCycle, "tag": HasTag, "profile": HasPart,
    "days_since": DaysSince, "purchases": Purchases, "event": Happened, "coupon": HasCoupon, "source": CameBy,
    "segment": InSegment, "random": Random, "distributor": IsDistributor,
}  # fmt: skip


def parsed(raw: Any, path: str = "rule") -> Rule:
    """Read a rule. Raises `malformed`, naming the place; `rule_too_large` for too many leaves or too deep a tree."""
    rule = _parsed(raw, path, DEPTH_MAX)
    leaves = sum(1 for _ in leaves_of(rule))
    if leaves > LEAVES_MAX:
        raise MallError("rule_too_large", errors=(RULE_TOO_LARGE.at(path, limit=LEAVES_MAX),))
    return rule


def _parsed(raw: Any, path: str, depth: int) -> Rule:
    if not isinstance(raw, dict):
        raise _malformed(WRONG_KIND.at(path, kind=KINDS["object"]))
    if depth == 0:
        raise MallError("rule_too_large", errors=(RULE_TOO_DEEP.at(path, limit=DEPTH_MAX),))
    kind = next((kind for word, kind in _KINDS.items() if word in raw), None)
    if kind is None:
        unknown = next((word for word in raw if isinstance(word, str)), None)
        raise _malformed(REQUIRED.at(path) if unknown is None else UNKNOWN_FIELD.at(f"{path}.{unknown}"))
    try:
        node = msgspec.convert(raw, kind)
    except msgspec.ValidationError as fault:
        from chalicelib.platform.web.problems import from_validation  # only who is answered has a rule that is wrong

        errors = from_validation(fault).errors
        raise _malformed(*(msgspec.structs.replace(one, field=_joined(path, one.field)) for one in errors)) from None
    if isinstance(node, All):
        return All(all=[_parsed(one, f"{path}.all[{at}]", depth - 1) for at, one in enumerate(node.all)])
    if isinstance(node, AnyOf):
        return AnyOf(any=[_parsed(one, f"{path}.any[{at}]", depth - 1) for at, one in enumerate(node.any)])
    if isinstance(node, Not):
        return Not(negated=_parsed(node.negated, f"{path}.not", depth - 1))
    _check_parts(node, path)
    return node  # type: ignore[no-any-return]


def _joined(path: str, field: str) -> str:
    return f"{path}.{field}" if field and not field.startswith("[") else f"{path}{field}"


def _malformed(*errors: FieldError) -> MallError:
    return MallError("malformed", errors=errors)


def _check_parts(leaf: Leaf, path: str) -> None:
    """Refuse what the types allow and means nothing. Raises `malformed`."""
    if isinstance(leaf, Purchases):
        if (leaf.op == "between") != isinstance(leaf.value, list):
            raise _malformed(BETWEEN_TWO.at(f"{path}.value"))
        if isinstance(leaf.value, list) and leaf.value[0] > leaf.value[1]:
            raise _malformed(BETWEEN_ORDER.at(f"{path}.value"))
        if leaf.of is not None and _named(leaf.of) != 1:
            raise _malformed(ONE_PART.at(f"{path}.of"))
    if isinstance(leaf, CameBy) and _named(leaf.source) != 1:
        raise _malformed(ONE_PART.at(f"{path}.source"))
    if isinstance(leaf, Happened) and (leaf.within_hours is None) == (leaf.within_days is None):
        raise _malformed(ONE_WINDOW.at(f"{path}.within_days"))


def _named(parts: msgspec.Struct) -> int:
    return sum(value is not None for value in msgspec.structs.astuple(parts))


def leaves_of(rule: Rule, path: str = "rule") -> Iterator[tuple[str, Leaf]]:
    """List the leaves of a rule, each with its place."""
    if isinstance(rule, All | AnyOf):
        word, parts = ("all", rule.all) if isinstance(rule, All) else ("any", rule.any)
        for at, part in enumerate(parts):
            yield from leaves_of(part, f"{path}.{word}[{at}]")
    elif isinstance(rule, Not):
        yield from leaves_of(rule.negated, f"{path}.not")
    else:
        yield path, rule


def matches(leaf: Happened, name: str, props: Mapping[str, object]) -> bool:
    """Say whether an event of this name with these properties is one that the leaf counts."""
    return name == leaf.event and all(
        prop in props and props[prop] == value and isinstance(props[prop], bool) is isinstance(value, bool)
        for prop, value in leaf.where.items()
    )


def is_behavioural(leaf: Leaf) -> bool:
    """Say whether the leaf asks what a member did or bought: nothing for who does not want to be chosen by that."""
    if isinstance(leaf, DaysSince):
        return leaf.days_since in ("first_purchase", "last_purchase", "last_seen")
    return isinstance(leaf, Happened | Purchases | CameBy)


def is_proven(leaf: Leaf, holds: bool = True) -> bool:
    """Say whether the mall itself knows that the leaf holds (or does not): no client can have made it up. A phone is
    proven where there is one; a member may take it away."""
    if isinstance(leaf, DaysSince):
        return leaf.days_since not in ("last_seen", "birthday")
    if isinstance(leaf, HasPart):
        return leaf.profile == "unionid" or (leaf.profile == "phone" and holds)
    return isinstance(leaf, LifeCycle | Purchases | HasCoupon | IsDistributor)
