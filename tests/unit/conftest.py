"""The fast lane stays fast: a unit test that asks for an engine or a server is told where it belongs."""

from __future__ import annotations

import pytest

_ELSEWHERE = "without engine or servers here: this test belongs into tests/integration or tests/e2e"


@pytest.fixture(scope="session")
def dynamodb_engine() -> str:
    pytest.fail(_ELSEWHERE)


@pytest.fixture(scope="session")
def sandbox() -> str:
    pytest.fail(_ELSEWHERE)
