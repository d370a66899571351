"""Least privilege: what each function may do, held against what the whole suite was seen to do.

Every process of the tests writes what it saw (local/calls.py); only after a full run without a failure is that all
there is, and compared.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local.calls import VARIABLE

DIFFERENCES = pytest.StashKey[list[str]]()


def compare(session: pytest.Session) -> None:
    """Fail the run when something is missing or spare."""
    if VARIABLE in os.environ and _is_full(session.config) and session.exitstatus == pytest.ExitCode.OK:
        from infra import permissions

        asked = permissions.needed(permissions.read(Path(os.environ[VARIABLE])))
        found = permissions.differences(permissions.declared(), asked)
        if found:
            session.config.stash[DIFFERENCES] = found
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _is_full(config: pytest.Config) -> bool:
    options = config.option
    chosen = options.keyword or options.markexpr or options.ignore or options.deselect or options.lf
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not chosen and not options.collectonly
