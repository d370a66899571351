"""Least privilege: what each function may do, held against what the whole suite was seen to do.

Every process of the tests writes what it saw (local/calls.py) into one folder. Only after a full run without a failure
is that all there is, and compared; it is kept until the next one, so that it can be taken over (infra/permissions.py).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra import permissions
from local.calls import VARIABLE

DIFFERENCES = pytest.StashKey[list[str]]()

#: In pytest's cache; the Makefile knows it too.
_FOLDER = "yutang-calls"


def record(config: pytest.Config) -> None:
    """Have every process that this one starts write what it sees, if this is a full run."""
    os.environ.pop(VARIABLE, None)
    if _is_full(config):
        folder = config.cache.mkdir(_FOLDER)
        _forget(folder)
        os.environ[VARIABLE] = str(folder)


def compare(session: pytest.Session) -> None:
    """Fail the run when something is missing or spare."""
    if VARIABLE not in os.environ:
        return
    folder = Path(os.environ[VARIABLE])
    if session.exitstatus != pytest.ExitCode.OK:
        _forget(folder)
        return
    found = permissions.differences(permissions.declared(), permissions.needed(permissions.read(folder)))
    if found:
        session.config.stash[DIFFERENCES] = found
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _forget(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def _is_full(config: pytest.Config) -> bool:
    options = config.option
    chosen = options.keyword or options.markexpr or options.ignore or options.deselect or options.lf
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not chosen and not options.collectonly
