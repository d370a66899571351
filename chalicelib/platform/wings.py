"""Finding the modules of wings by their file names, so that nobody keeps a second list of them."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

_HOUSE = Path(__file__).resolve().parent.parent


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
    found: list[str] = []
    for folder, subfolders, files in os.walk(_HOUSE.joinpath(*wing.split("."))):
        subfolders[:] = sorted(name for name in subfolders if name != "__pycache__")
        package = ".".join((_HOUSE.name, *Path(folder).relative_to(_HOUSE).parts))
        found += [f"{package}.{name.removesuffix('.py')}" for name in sorted(files) if name.endswith(".py")]
    return found
