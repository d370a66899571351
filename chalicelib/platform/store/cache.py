"""What this process may remember for a moment: reads of the catalogue and of settings that may be a second old."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from chalicelib.core import clock
from chalicelib.core.settings import settings

_T = TypeVar("_T")
_ENTRIES_MAX = 4096

_entries: dict[tuple[str, ...], tuple[float, Any]] = {}


def recall(key: tuple[str, ...]) -> Any:
    """What was kept under `key` and is still fresh by the mall's clock, or None. `key[0]` is its group."""
    entry = _entries.get(key)
    return entry[1] if entry is not None and entry[0] > clock.now().timestamp() else None


def keep(key: tuple[str, ...], value: _T) -> _T:
    """Keep `value` under `key` for as long as settings say, and return it."""
    if len(_entries) >= _ENTRIES_MAX:
        _entries.clear()
    _entries[key] = (clock.now().timestamp() + settings().cache_seconds, value)
    return value


def remember(key: tuple[str, ...], load: Callable[[], _T]) -> _T:
    """What is kept under `key`, else what `load` gives now. Errors, and None, are not kept."""
    value = recall(key)
    return keep(key, load()) if value is None else value


def forget(group: str) -> None:
    """Forget the group in this process, because this process has just changed it; others see it a moment later."""
    for key in [key for key in list(_entries) if key[0] == group]:
        _entries.pop(key, None)
