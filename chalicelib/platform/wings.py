"""Finding the modules of wings by their file names, so that nobody keeps a second list of them."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Iterable
from types import ModuleType

_HOUSE = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - paths as text: every cold start walks here
_PACKAGE = __name__.partition(".")[0]


def modules(wings: Iterable[str], *rooms: str) -> list[str]:
    """Name the modules of these wings that have one of these file names, wing after wing, those of subjects too.

    `wings` are packages below chalicelib ("commerce.orders"), `rooms` file names without their ending ("routes").
    """
    return [name for wing in wings for name in _modules_of(wing) if name.rpartition(".")[2] in rooms]


def load(wings: Iterable[str], *rooms: str) -> list[ModuleType]:
    """Import these modules of these wings, named as `modules` names them."""
    return [importlib.import_module(name) for name in modules(wings, *rooms)]


@functools.cache
def _modules_of(wing: str) -> list[str]:
    return _modules_below(f"{_HOUSE}/{wing.replace('.', '/')}", f"{_PACKAGE}.{wing}")


def _modules_below(folder: str, package: str) -> list[str]:
    names = sorted(os.listdir(folder))  # noqa: PTH208 - a name without an ending is a folder's: that costs no look at it
    found = [f"{package}.{name[:-3]}" for name in names if name.endswith(".py")]
    for name in names:
        if "." not in name and name != "__pycache__":
            found += _modules_below(f"{folder}/{name}", f"{package}.{name}")
    return found
