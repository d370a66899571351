"""In which segments a member is, found from their export alone, as the pages for merchants define them: no traits, no
counters, nothing of what the mall has decided. All is looked through anew for every instant, in Unix milliseconds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any

Json = Any
HOUR, DAY = 3_600_000, 86_400_000
_SHANGHAI = timezone(timedelta(hours=8))
#: What of a member's refunds has been given back, paid out or not.
_GIVEN_BACK = ("approved", "processing", "succeeded", "failed")
_LIFE_CYCLE = ("new", "first_order", "repeat", "loyal", "silent")


def instant(text: str) -> int:
    """Read an instant of an answer."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


class Defined:
    """What operators have defined: the rules of segments by their ids, and of tags by their names."""

    def __init__(self) -> None:
        self.segments: dict[str, Json] = {word: {"life_cycle": [word]} for word in _LIFE_CYCLE}
        self.tags: dict[str, Json] = {}

    def asks_for_behaviour(self, rule: Json) -> bool:
        """Whether a rule asks what a member did or bought, itself or by a segment or a tag that it names."""
        if isinstance(rule, list):
            return any(self.asks_for_behaviour(one) for one in rule)
        for word in ("all", "any", "not"):
            if word in rule:
                return self.asks_for_behaviour(rule[word])
        if "segment" in rule:
            return self.asks_for_behaviour(self.segments[rule["segment"]])
        if rule.get("tag") in self.tags:
            return self.asks_for_behaviour(self.tags[rule["tag"]])
        if rule.get("days_since") in ("first_purchase", "last_purchase", "last_seen"):
            return True
        return any(word in rule for word in ("purchases", "event", "source"))


class Exported:
    """A member as their export tells of them."""

    def __init__(self, sections: Mapping[str, list[Json]]) -> None:
        self.profile = sections["profile"][0]
        self.member_id = self.profile["member_id"]
        self.joined = instant(self.profile["joined_at"])
        self.orders = sorted((one for one in sections["orders"] if one.get("paid_at")), key=lambda one: one["paid_at"])
        #: Whether an order or a refund is under way, so that a job may change it.
        self.moves = any(
            one["state"] not in ("completed", "closed")
            or any(r["state"] in ("approved", "processing") for r in one["refunds"])
            for one in sections["orders"]
        )
        self.events = [(one["name"], instant(one["at"]), one.get("props", {})) for one in sections["events"]]
        self.coupons = [
            (one["template_id"], instant(one["valid_until"])) for one in sections["coupons"] if one["state"] == "unused"
        ]
        self.distributor = next((one["state"] for one in sections["distributor"] if "state" in one), None)
        tags = sections["traits"][0].get("tags", [])
        self.by_hand: dict[str, dict[str, Any]] = {
            tag["name"]: {"at": instant(tag["set_at"]), "until": instant(tag["until"]) if "until" in tag else None}
            for tag in tags
            if tag["by"] != "rule"
        }
        self.refused = sections["traits"][0].get("refused_tags", [])

    @property
    def completed(self) -> list[int]:
        """When the orders were completed that were not refunded whole."""
        return [
            max(instant(event["at"]) for event in one["history"] if event["what"] == "completed")
            for one in self.orders
            if one["state"] == "completed"
        ]

    def inside(self, defined: Defined, now: int) -> set[str]:
        """The ids of the segments that the member is in."""
        return {one for one, rule in defined.segments.items() if self._whole(defined, rule, now)}

    def tags(self, defined: Defined, now: int) -> list[str]:
        """The names of the member's tags, in order."""
        return sorted(name for name in {*self.by_hand, *defined.tags} if self._tag(defined, name, now) is not None)

    def life_cycle(self, now: int) -> str:
        """The member's segment of the life cycle, by bounds that nobody has changed."""
        done = self.completed
        if not done:
            return "new" if not self.profile.get("returned") and now - self.joined <= 30 * DAY else "silent"
        if now - max(done) > (30 if len(done) == 1 else 60) * DAY:
            return "silent"
        return "first_order" if len(done) == 1 else "loyal" if len(done) >= 5 else "repeat"

    def edges(self, defined: Defined, now: int, until: int) -> list[int]:
        """The last instants before time alone brings the member into a segment or out of one, between these two."""
        done, days = self.completed, {0, 30, 60, *_numbers(defined, "days", "within_days", "ends_within_days")}
        spans = {number * DAY for number in days} | {hours * HOUR for hours in _numbers(defined, "within_hours")}
        paid = [instant(one["paid_at"]) for one in self.orders]
        seen = [instant(self.profile["last_seen"])] if self.profile.get("last_seen") else []
        began = [self.joined, *done, *paid, *seen, *(at for _, at, _ in self.events)]
        began += [tag["at"] for tag in self.by_hand.values()]
        found = {at + span for at in began for span in spans}
        found |= {end - span - 1 for _, end in self.coupons for span in spans}
        midnight = datetime.fromtimestamp(now / 1000, _SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
        found |= {round(midnight.timestamp() * 1000) + number * DAY - 1 for number in range(1, 9)}
        return sorted(
            at for at in found if now < at < until and self.inside(defined, at) != self.inside(defined, at + 1)
        )

    def _whole(self, defined: Defined, rule: Json, now: int) -> bool:
        if not self.profile.get("personalised", True) and defined.asks_for_behaviour(rule):
            return False
        return self._holds(defined, rule, now)

    def _holds(self, defined: Defined, rule: Json, now: int) -> bool:
        for word, joined in (("all", all), ("any", any)):
            if word in rule:
                return joined(self._holds(defined, one, now) for one in rule[word])
        if "not" in rule:
            return not self._holds(defined, rule["not"], now)
        if "segment" in rule:
            return self._whole(defined, defined.segments[rule["segment"]], now)
        if "tag" in rule:
            since = self._tag(defined, rule["tag"], now)
            return since is not None and ("within_days" not in rule or now - since <= rule["within_days"] * DAY)
        kind = next(word for word in _LEAVES if word in rule)
        return bool(_LEAVES[kind](self, rule, now))

    def _tag(self, defined: Defined, name: str, now: int) -> int | None:
        """Since when the member has a tag by hand; of one that a rule gives that they have it (0)."""
        by_hand = self.by_hand.get(name)
        if by_hand is not None and (not by_hand.get("until") or now < by_hand["until"]):
            return int(by_hand["at"])
        rule = defined.tags.get(name)
        return 0 if rule is not None and name not in self.refused and self._whole(defined, rule, now) else None

    def _in_life_cycle(self, rule: Json, now: int) -> bool:
        return self.life_cycle(now) in rule["life_cycle"]

    def _has_part(self, rule: Json, now: int) -> bool:
        return bool(self.profile.get(rule["profile"]))

    def _days_since(self, rule: Json, now: int) -> bool:
        what, paid = rule["days_since"], [instant(one["paid_at"]) for one in self.orders if _left(one, None) > 0]
        if what == "birthday":
            return self._days_since_birthday(rule, now)
        at = {
            "joined": self.joined, "first_purchase": min(paid, default=0), "last_purchase": max(paid, default=0),
            "last_seen": instant(self.profile["last_seen"]) if self.profile.get("last_seen") else 0,
        }[what]  # fmt: skip
        return bool(at) and (now - at <= rule["days"] * DAY) is (rule["op"] == "<=")

    def _days_since_birthday(self, rule: Json, now: int) -> bool:
        born, today = self.profile.get("birthday"), datetime.fromtimestamp(now / 1000, _SHANGHAI).date()
        if born is None:
            return False
        days = (date(year, born["month"], born["day"]) for year in (today.year - 1, today.year))
        last = max(day for day in days if day <= today)
        return ((today - last).days <= rule["days"]) is (rule["op"] == "<=")

    def _purchases(self, rule: Json, now: int) -> bool:
        window = rule["within_days"] * DAY if "within_days" in rule else now
        counted = [
            left
            for one in self.orders
            if now - instant(one["paid_at"]) <= window and (left := _left(one, rule.get("of")))
        ]
        if rule["purchases"] == "avg_fen" and not counted:
            return False
        figures = {"count": len(counted), "sum_fen": sum(counted), "avg_fen": sum(counted) / max(1, len(counted))}
        return _compared(rule["op"], figures[rule["purchases"]], rule["value"])

    def _happened(self, rule: Json, now: int) -> bool:
        window = rule["within_hours"] * HOUR if "within_hours" in rule else rule["within_days"] * DAY
        wanted = rule.get("where", {}).items()
        times = sum(name == rule["event"] and now - at <= window and wanted <= props.items()
                    for name, at, props in self.events)  # fmt: skip
        return _compared(rule["op"], times, rule["count"])

    def _has_coupon(self, rule: Json, now: int) -> bool:
        ends = [end for template, end in self.coupons if template == rule["coupon"] and end > now]
        return any("ends_within_days" not in rule or end - now <= rule["ends_within_days"] * DAY for end in ends)

    def _came_by(self, rule: Json, now: int) -> bool:
        touch = self.profile.get("first_source" if rule["touch"] != "last" else "last_source")
        if touch is None or (rule["touch"] == "joined" and instant(touch["at"]) > self.joined):
            return False
        return bool(rule["source"].items() <= touch.items())

    def _drawn(self, rule: Json, now: int) -> bool:
        digest = hashlib.sha256(f"{rule['random']['salt']}|{self.member_id}".encode()).digest()
        return bool(int.from_bytes(digest[:4], "big") % 10_000 < 100 * rule["random"]["percent"])

    def _distributes(self, rule: Json, now: int) -> bool:
        return bool(self.distributor == rule["distributor"])


def _left(order: Json, of: Json) -> int:
    """What is left of what was paid for an order, or for a product in it, in fen."""
    refunds = [one for one in order["refunds"] if one["state"] in _GIVEN_BACK]
    if of is None:
        return int(order["paid_fen"]) - sum(int(one["amount_fen"]) for one in refunds)
    lines = [line for line in order["lines"] if line["product_id"] == of["product_id"]]
    skus = {line["sku_id"] for line in lines}
    back = sum(int(part["amount_fen"]) for one in refunds for part in one["lines"] if part["sku_id"] in skus)
    return sum(int(line["payable_fen"]) for line in lines) - back


def _numbers(defined: Defined, *words: str) -> set[int]:
    """The numbers that the rules give under these words."""
    found: set[int] = set()
    parts: list[Json] = [*defined.segments.values(), *defined.tags.values()]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            found |= {part[word] for word in words if word in part}
            parts += part.values()
    return found


def _compared(op: str, measured: float, value: Any) -> bool:
    if op == "between":
        return bool(value[0] <= measured <= value[1])
    return bool({">=": measured >= value, "<": measured < value, "<=": measured <= value, "==": measured == value}[op])


_LEAVES = {
    "life_cycle": Exported._in_life_cycle, "profile": Exported._has_part, "days_since": Exported._days_since,
    "purchases": Exported._purchases, "event": Exported._happened, "coupon": Exported._has_coupon,
    "source": Exported._came_by, "random": Exported._drawn, "distributor": Exported._distributes,
}  # fmt: skip
