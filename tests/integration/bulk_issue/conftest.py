"""Grants of coupons, of which this process remembers nothing from the test before.

What names tables is imported in the fixtures: this file may be read before the environment stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from local.client import Client


@pytest.fixture(autouse=True)
def nothing_remembered(dynamodb: str) -> None:
    from local.jobs import forget_all
    from tests.support.coupons import fresh

    fresh()
    forget_all()


@pytest.fixture(scope="module")
def operator(dynamodb: str) -> Iterator[Client]:
    from chalicelib.mall.operators.access import passwords
    from local.client import Client, in_process
    from tests.support.operators import owner_token

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_COST", 16)
        yield Client(in_process(), owner_token())
