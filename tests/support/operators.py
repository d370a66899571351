"""Operators for tests in this process."""

from __future__ import annotations

from datetime import timedelta

NAME = "owner-of-tests"


def owner_token() -> str:
    """The token of an owner whom no other test changes; good for as long as any test moves the clock."""
    from chalicelib.core import clock
    from chalicelib.mall.operators import queries as operator_queries
    from chalicelib.mall.operators import service
    from chalicelib.platform.web import tokens

    if (
        operator_queries.find(NAME) is None
    ):  # else made by an earlier test: to hash a password takes a tenth of a second
        before = clock.use(lambda: 0.0)  # tokens are good from then on, whether this test has moved the clock or not
        service.bootstrap("first", "long-enough-1")
        service.create(NAME, "long-enough-2", ["owner"])
        clock.use(before)
    return tokens.issue("operator", NAME, clock.now() + timedelta(days=36500))
