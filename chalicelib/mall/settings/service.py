"""Sections of settings: declared once by the wing that obeys them, read from memory, changed by operators.

    DISTRIBUTION = declare("distribution", DistributionRules)
    DISTRIBUTION.current().freeze_days

and `admin_routes.py` gives operators the endpoints of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from chalicelib.mall.settings.tables import SettingsSections
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.base import retry_busy
from chalicelib.platform.store.transaction import ConditionFailed, Transaction

_S = TypeVar("_S", bound=msgspec.Struct)

_CACHE = "settings"


class Section(Generic[_S]):
    """One section; every field of its struct has a default, which holds until an operator says otherwise."""

    def __init__(self, name: str, struct: type[_S], check: Callable[[_S], None] | None) -> None:
        self.name = name
        self.struct = struct
        self._check = check

    def current(self) -> _S:
        """The settings, possibly `cache_seconds` old: all sections are read at once. Raises `unavailable`."""
        remembered: dict[str, Any] = cache.remember((_CACHE,), lambda: everything(consistent=False))
        return remembered[self.name]  # type: ignore[no-any-return]

    def fresh(self) -> _S:
        """The settings as they are now, for who changes them or decides once and for all. Raises `unavailable`."""
        return self.versioned()[0]

    def versioned(self) -> tuple[_S, int]:
        """The same, and how often they have been changed: whoever decides by them can keep by which."""
        item = read.get(SettingsSections, self.name)
        return self.parse(item), 0 if item is None else int(item.version)

    def at(self, version: int) -> _S | None:
        """The settings after so many changes, as `versioned` counts them (0: the defaults); None: not so many yet."""
        if version == 0:
            return self.struct()
        item = read.get(SettingsSections, _kept(self.name, version))
        return None if item is None else self.parse(item)

    def change(self, value: _S) -> _S:
        """Replace the section, as `edit` does."""
        return self.edit(lambda _: value)

    def edit(self, decide: Callable[[_S], _S]) -> _S:
        """Change the section to what `decide` makes of it, which may be called again; other processes see it a moment
        later.

        Raises `conflict`, `unavailable`, and what the section's own check raises: `invalid`.
        """
        value = retry_busy(lambda: self._save(decide), ConditionFailed)
        cache.forget(_CACHE)
        return value

    def parse(self, item: SettingsSections | None) -> _S:
        """The settings in an item: fields that this version does not know are left out, missing ones get defaults."""
        given: dict[str, Any] = {} if item is None else msgspec.json.decode(item.document)
        known = {field: given[field] for field in self.struct.__struct_fields__ if field in given}
        return msgspec.convert(known, self.struct)

    def _save(self, decide: Callable[[_S], _S]) -> _S:
        item = read.get(SettingsSections, self.name)
        value = decide(self.parse(item))
        if self._check is not None:
            self._check(value)
        unchanged = (
            SettingsSections.section.does_not_exist() if item is None else SettingsSections.version == item.version
        )
        version = 1 if item is None else int(item.version) + 1
        document = msgspec.json.encode(value).decode()
        tx = Transaction()
        tx.put(SettingsSections(self.name, document=document, version=version), unchanged)
        tx.put(SettingsSections(_kept(self.name, version), document=document, version=version))
        tx.commit()
        return value


def _kept(name: str, version: int) -> str:
    """Where a version of a section stays: what was decided by it is explained by it."""
    return f"{name}#{version}"


#: Every declared section, by name.
SECTIONS: dict[str, Section[Any]] = {}


def declare(name: str, struct: type[_S], check: Callable[[_S], None] | None = None) -> Section[_S]:
    """Declare a section; `struct` has a default for every field, and `check` raises `invalid` for what its types allow
    and no mall may set."""
    if name in SECTIONS:
        raise ValueError(f"the section {name} is declared twice")
    struct()  # a field without a default fails here and now
    section = Section(name, struct, check)
    SECTIONS[name] = section
    return section


def everything(consistent: bool = True) -> dict[str, Any]:
    """All sections by name, as they are now (or, not `consistent`, a moment ago)."""
    items = read.batch_get([(SettingsSections, (name,)) for name in SECTIONS], consistent=consistent)
    return {name: section.parse(item) for (name, section), item in zip(SECTIONS.items(), items, strict=True)}
