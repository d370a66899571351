"""Sections of settings: declared once by the wing that obeys them, read from memory, changed by operators.

    DISTRIBUTION = declare("distribution", DistributionRules)
    DISTRIBUTION.current().freeze_days

and `admin_routes.py` gives operators the endpoints of each.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from chalicelib.core import clock
from chalicelib.mall.settings.jobs import CHANGED
from chalicelib.mall.settings.tables import SettingsSections
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned, change

_S = TypeVar("_S", bound=msgspec.Struct)

_CACHE = "settings"


class Section(Generic[_S]):
    """One section; every field of its struct has a default, which holds until an operator says otherwise."""

    def __init__(self, name: str, struct: type[_S], check: Callable[[_S], None] | None) -> None:
        self.name = name
        self.struct = struct
        self._check = check

    def current(self) -> _S:
        """Give the settings, possibly `cache_seconds` old: all sections are read at once. Raises `unavailable`."""
        remembered: dict[str, Any] = cache.remember((_CACHE,), lambda: everything(consistent=False))
        return remembered[self.name]  # type: ignore[no-any-return]

    def fresh(self) -> _S:
        """Read the settings as they are now, for a decision that is made once and for all. Raises `unavailable`."""
        return self.versioned().value

    def versioned(self) -> Versioned[_S]:
        """Read the settings and their version, so that a decision can record the version it was made by.

        The version counts the changes; 0 are the defaults.
        """
        item = read.get(SettingsSections, self.name)
        return Versioned(self.parse(item), 0 if item is None else int(item.version))

    def at(self, version: int) -> _S | None:
        """Read the settings of a version (0: the defaults); None when they have not been changed so often yet."""
        if version == 0:
            return self.struct()
        item = read.get(SettingsSections, _version_key(self.name, version))
        return None if item is None else self.parse(item)

    def history(self) -> dict[int, tuple[_S, datetime | None]]:
        """Read every version that the section has had, the defaults as 0; and since when each held, where that was
        written down."""
        found: dict[int, tuple[_S, datetime | None]] = {0: (self.struct(), None)}
        item = read.get(SettingsSections, self.name)
        for version in range(1, 1 + (0 if item is None else int(item.version))):
            kept = read.get(SettingsSections, _version_key(self.name, version))
            if kept is not None:
                found[version] = self.parse(kept), clock.from_stamp(kept.since) if kept.since else None
        return found

    def change(self, value: _S) -> _S:
        """Replace the section, as `edit` does."""
        return self.edit(lambda _: value)

    def edit(self, decide: Callable[[_S], _S]) -> _S:
        """Change the section to what `decide` makes of it; other processes see it a moment later.

        `decide` is called again when another writer was quicker. What it gives back as it got it is not written.
        Raises `conflict`, `unavailable`, and what the section's own check raises: `invalid`.
        """

        def checked(before: _S, _: Transaction) -> _S:
            after = decide(before)
            if self._check is not None:
                self._check(after)
            return after

        value = change(self.versioned, checked, self._write)
        cache.forget(_CACHE)
        return value

    def parse(self, item: SettingsSections | None) -> _S:
        """Read the settings in an item: fields that this code does not know are left out, missing ones get defaults."""
        stored: dict[str, Any] = {} if item is None else msgspec.json.decode(item.document)
        known = {field: stored[field] for field in self.struct.__struct_encode_fields__ if field in stored}
        return msgspec.convert(known, self.struct)

    def _write(self, tx: Transaction, before: Versioned[_S], after: _S) -> None:
        """Write the section under the version that was read, and its new version for ever."""
        section = SettingsSections
        as_read = section.version == before.version if before.version else section.section.does_not_exist()
        version = before.version + 1
        document = msgspec.json.encode(after).decode()
        tx.put(SettingsSections(self.name, document=document, version=version), as_read, Conflict)
        kept = SettingsSections(_version_key(self.name, version), document=document, version=version)
        kept.since = clock.stamp(clock.now())
        tx.put(kept)
        emit(tx, CHANGED, f"{self.name}|{version}")


def _version_key(name: str, version: int) -> str:
    """Name the item that keeps a version of a section, so that what was decided by it can be explained."""
    return f"{name}#{version}"


#: Every declared section, by name.
SECTIONS: dict[str, Section[Any]] = {}


def declare(name: str, struct: type[_S], check: Callable[[_S], None] | None = None) -> Section[_S]:
    """Declare a section of the merchant's settings.

    `struct` has a default for every field; `check` raises `invalid` for values that the types allow and no mall may
    set. Raises ValueError for a name that is declared already.
    """
    if name in SECTIONS:
        raise ValueError(f"the section {name} is declared twice")
    struct()  # a field without a default fails here and now
    section = Section(name, struct, check)
    SECTIONS[name] = section
    return section


def everything(consistent: bool = True) -> dict[str, Any]:
    """Read all sections by name, as they are now (or, not `consistent`, a moment ago)."""
    items = read.batch_get([(SettingsSections, (name,)) for name in SECTIONS], consistent=consistent)
    return {name: section.parse(item) for (name, section), item in zip(SECTIONS.items(), items, strict=True)}
