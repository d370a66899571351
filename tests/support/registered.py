"""Stand-ins for wings above a port, registered for one test."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

_T = TypeVar("_T")


@contextlib.contextmanager
def registered(register: Callable[[Any], None], registered_now: Callable[[], Any], stand_in: _T) -> Iterator[_T]:
    """The port has this implementation meanwhile, and afterwards the one that it had."""
    before = registered_now()
    register(stand_in)
    try:
        yield stand_in
    finally:
        register(before)
