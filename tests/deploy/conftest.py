"""The package, built once for all that looks at it, in however many processes."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make package` fills."""
    from infra import package  # only now: it imports the wings, and their tables are named after the environment

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with (folder / "package.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        out = folder / "package"
        if not out.exists():
            sizes = package.package("prod", folder / "unfinished")
            assert sizes.after < sizes.before
            (folder / "unfinished").rename(out)
    return out


@pytest.fixture(scope="session")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deployed zip as Lambda unpacks it."""
    from bench.package import cold

    return cold.unpack(built / "deployment.zip", tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="session")
def template(built: Path) -> dict[str, Any]:
    """The template as it is deployed."""
    found: dict[str, Any] = json.loads((built / "sam.json").read_text())
    return found


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, Any]:
    """Its resources."""
    found: dict[str, Any] = template["Resources"]
    return found
