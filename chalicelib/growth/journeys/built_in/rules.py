"""Journeys that the mall brings with it: definitions in which slots are open, and how these are filled. Pure.

An open slot stands in a definition as an id of its own, "slot-<name>": what is not filled is found by that when the
journey is published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from chalicelib.growth.messaging.rules import Purpose, Template

_OPEN = "slot-"

SlotKind = Literal["coupon", "message", "segment", "tag"]


class Slot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be chosen before the journey can be published: a coupon template (so many percent off, with a ceiling
    of some `ceiling_fen`, good for some `valid_days`), a message template (its purpose), a segment, or a tag."""

    name: str
    kind: SlotKind
    zh: str
    en: str
    percent_off: int = 0
    ceiling_fen: int = 0
    valid_days: int = 0
    purpose: Purpose | None = None


class BuiltIn(msgspec.Struct, frozen=True, kw_only=True):
    """A journey that the mall brings with it: its key, its name and a sentence in both languages, its slots, and its
    definition."""

    key: str
    name_zh: str
    name_en: str
    zh: str
    en: str
    slots: tuple[Slot, ...]
    definition: dict[str, Any]

    def slot(self, name: str) -> Slot | None:
        """Find a slot by its name."""
        return next((slot for slot in self.slots if slot.name == name), None)


def as_open(name: str) -> str:
    """Give the id that stands for an open slot."""
    return _OPEN + name


def open_slots(part: Any) -> list[str]:
    """Name the slots that are open in a part of a definition."""
    if isinstance(part, str):
        return [part.removeprefix(_OPEN)] if part.startswith(_OPEN) else []
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return list(dict.fromkeys(name for one in inner for name in open_slots(one)))


def filled(built_in: BuiltIn, name: str, chosen: Mapping[str, str], messages: Mapping[str, Template]) -> dict[str, Any]:
    """Give the definition under this name with what was chosen in its slots. A message is of its template's purpose,
    and its variables are those of the template that a journey knows of (`messages`, by their ids)."""
    whole = {name: _put(part, chosen) for name, part in built_in.definition.items()}
    entry_props = set(_entry_props(built_in))
    for step in whole["steps"].values():
        template = messages.get(step["message"]["template"]) if "message" in step else None
        if template is not None:
            step["message"] |= {"purpose": template.purpose, "vars": _vars(template, entry_props)}
    return {**whole, "name": name, "built_in": built_in.key}


def _entry_props(built_in: BuiltIn) -> list[str]:
    key = built_in.definition["entry"].get("key")
    return [] if key is None else [key]


def _vars(template: Template, entry_props: set[str]) -> dict[str, str]:
    known = {"nickname": "{nickname}", "coupon": "{coupon}"} | {name: f"{{entered.{name}}}" for name in entry_props}
    return {name: known[name] for name in template.vars if name in known}


def _put(part: Any, chosen: Mapping[str, str]) -> Any:
    if isinstance(part, str):
        return chosen.get(part.removeprefix(_OPEN), part) if part.startswith(_OPEN) else part
    if isinstance(part, dict):
        return {name: _put(one, chosen) for name, one in part.items()}
    return [_put(one, chosen) for one in part] if isinstance(part, list) else part
