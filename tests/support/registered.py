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


@contextlib.contextmanager
def observing(ports: Any, stand_in: _T, *others: object) -> Iterator[_T]:
    """These ports tell this one alone meanwhile, or `others` behind it; and afterwards all those that they told."""
    before = ports.observers()
    ports.register_observers(stand_in, *others)
    try:
        yield stand_in
    finally:
        ports.register_observers(*before)
