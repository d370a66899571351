"""The memory of this process: values that were read and may be `cache_seconds` old, such as settings and lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from chalicelib.core import clock
from chalicelib.core.settings import settings

_T = TypeVar("_T")
#: So many of the longest product pages are 150 MB of a function's 1024.
_ENTRIES_MAX = 512

#: Since when each is kept, and what.
_entries: dict[tuple[str, ...], tuple[float, Any]] = {}


def recall(key: tuple[str, ...]) -> Any:
    """Give the value that is kept under `key`, if it is still fresh by the mall's clock, or None.

    `key[0]` is the group that `forget` forgets.
    """
    entry = _entries.get(key)
    return entry[1] if entry is not None and _is_fresh(entry[0]) else None


def keep(key: tuple[str, ...], value: _T) -> _T:
    """Keep `value` under `key` for `cache_seconds`, and return it."""
    if len(_entries) >= _ENTRIES_MAX:
        for old in [old for old, (since, _) in list(_entries.items()) if not _is_fresh(since)]:
            _entries.pop(old, None)
    if len(_entries) >= _ENTRIES_MAX:
        _entries.clear()
    _entries[key] = (clock.now().timestamp(), value)
    return value


def remember(key: tuple[str, ...], load: Callable[[], _T]) -> _T:
    """Give the value that is kept under `key`, else load it and keep it. Errors, and None, are not kept."""
    value = recall(key)
    return keep(key, load()) if value is None else value


def forget(group: str) -> None:
    """Forget the values of a group, because this process has changed them; other processes see that a moment later."""
    for key in [key for key in list(_entries) if key[0] == group]:
        _entries.pop(key, None)


def _is_fresh(since: float) -> bool:
    """Whether what is kept since then is good now. What is kept since later is not: the clock was put back."""
    return since <= clock.now().timestamp() < since + settings().cache_seconds
