"""The package, built once for all that looks at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make package` fills."""
    from infra import package  # only now: it imports the wings, and their tables are named after the environment

    out = tmp_path_factory.mktemp("package")
    sizes = package.package("prod", out)
    assert sizes.after < sizes.before
    return out


@pytest.fixture(scope="session")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deployed zip as Lambda unpacks it."""
    from bench import cold

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
