"""Random rules of segments and tags, as the JSON that operators send: every kind of condition, nested six deep."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.support.segment_model import LIFE_CYCLE

TAGS = ("vip", "sleepy", "gift", "hand")
TEMPLATES = ("cta", "ctb")
PRODUCTS, CATEGORIES, ROLES = ("p1", "p2"), ("c1",), ("gift",)
EVENTS = ("product_view", "search")
PROPS: tuple[dict[str, Any], ...] = ({}, {"product_id": "p1"}, {"results": 0}, {"results": 1, "product_id": "p2"})
CHANNELS = ("qr1", "live")
DEPTH, LEAVES = 6, 12


def bounds(chance: Random) -> dict[str, int]:
    """Bounds of the life cycle that are near enough to be met often."""
    return {
        "new_days": chance.randint(1, 5), "first_order_days": chance.randint(1, 5),
        "active_days": chance.randint(1, 8), "loyal_orders": chance.randint(2, 4),
    }  # fmt: skip


def definitions(chance: Random, number: int) -> list[dict[str, Any]]:
    """So many definitions, each of which may name those before it, in any order."""
    made: list[dict[str, Any]] = [{"id": "tg0", "tag": "hand", "rule": None}]
    tags = list(TAGS[:3])
    while len(made) <= number:
        one: dict[str, Any] = {"id": f"sg{len(made)}", "rule": rule(chance, made)}
        if tags and chance.random() < 0.4:
            one |= {"id": f"tg{len(made)}", "tag": tags.pop(), "ttl_days": chance.choice([None, 1, 2, 5])}
        made.append(one)
    chance.shuffle(made)
    return made


def rule(chance: Random, before: list[dict[str, Any]]) -> dict[str, Any]:
    """A rule that names what is defined `before` it."""
    left = [chance.randint(1, LEAVES)]
    return _part(chance, before, chance.randint(1, DEPTH), left)


def _part(chance: Random, before: list[dict[str, Any]], depth: int, left: list[int]) -> dict[str, Any]:
    if depth > 1 and left[0] > 1 and chance.random() < 0.8:
        word = chance.choice(["all", "any", "any", "not"])
        if word == "not":
            return {"not": _part(chance, before, depth - 1, left)}
        parts = [_part(chance, before, depth - 1, left) for _ in range(chance.randint(1, 3))]
        return {word: parts}
    left[0] -= 1
    return leaf(chance, before)


def leaf(chance: Random, before: list[dict[str, Any]]) -> dict[str, Any]:
    """A condition of any kind."""
    kinds = [_event, _event, _purchases, _purchases, _days_since, _days_since, _coupon, _tag, _other]
    return chance.choice(kinds)(chance, before)


def _event(chance: Random, _: list[dict[str, Any]]) -> dict[str, Any]:
    spans = {"within_hours": chance.randint(1, 72)} if chance.random() < 0.4 else {"within_days": chance.randint(1, 9)}
    where = chance.choice(PROPS)
    return {
        "event": chance.choice(EVENTS), **({"where": where} if where else {}), **spans,
        "op": chance.choice([">=", "<", "<=", "=="]), "count": chance.choice([0, 1, 1, 2, 3, 5]),
    }  # fmt: skip


def _purchases(chance: Random, _: list[dict[str, Any]]) -> dict[str, Any]:
    what = chance.choice(["count", "sum_fen", "avg_fen"])
    most = 4 if what == "count" else 4_000
    op = chance.choice([">=", "<", "<=", "==", "between"])
    value: Any = chance.randint(0, most)
    if op == "between":
        value = sorted([value, chance.randint(0, most)])
    of = chance.choice(
        [None, None, {"product_id": chance.choice(PRODUCTS)}, {"category_id": "c1"}, {"role": "gift"}]
    )  # fmt: skip
    span = {} if chance.random() < 0.4 else {"within_days": chance.randint(1, 10)}
    return {"purchases": what, **({"of": of} if of else {}), **span, "op": op, "value": value}


def _days_since(chance: Random, _: list[dict[str, Any]]) -> dict[str, Any]:
    what = chance.choice(["joined", "first_purchase", "last_purchase", "last_seen", "birthday"])
    return {"days_since": what, "op": chance.choice(["<=", ">"]), "days": chance.choice([0, 1, 2, 5, 9, 30])}


def _coupon(chance: Random, _: list[dict[str, Any]]) -> dict[str, Any]:
    near = {"ends_within_days": chance.randint(1, 5)} if chance.random() < 0.6 else {}
    return {"coupon": chance.choice(TEMPLATES), "state": "unused", **near}


def _tag(chance: Random, before: list[dict[str, Any]]) -> dict[str, Any]:
    name = chance.choice([one["tag"] for one in before if one.get("tag")])
    return {"tag": name, **({"within_days": chance.randint(0, 6)} if chance.random() < 0.5 else {})}


def _other(chance: Random, before: list[dict[str, Any]]) -> dict[str, Any]:
    segments = [one["id"] for one in before if not one.get("tag")]
    choices: list[dict[str, Any]] = [
        {"life_cycle": chance.sample(LIFE_CYCLE, chance.randint(1, 3))},
        {"profile": chance.choice(["phone", "nickname", "birthday"]), "op": "exists"},
        {"source": {"channel": chance.choice(CHANNELS)}, "touch": chance.choice(["first", "last", "joined"])},
        {"random": {"salt": chance.choice("abc"), "percent": chance.randint(1, 99)}},
        {"distributor": chance.choice(["active", "suspended"])},
        *({"segment": one} for one in segments),
    ]
    return chance.choice(choices)
