"""A person who deletes their account and comes back, as often as they like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.client import SHANGHAI as ADDRESS
from local.client import Answer, Shopper
from tests.support.followers import follows


def log_in(shopper: Shopper, **source: str) -> Any:
    """The person logs in; what they are answered."""
    code = shopper.sandbox.post("login", {"user": shopper.user})["code"]
    return shopper.post("/v1/auth/login", {"code": code, "source": source}).ok()


def after_following(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who leaves had followed the official account, from now on, and who returns follows it before they log in."""
    leaves, logs_in = Shopper.leave, log_in

    def leave(shopper: Shopper, **more: Any) -> Answer:
        follows(shopper, shopper.user)
        return leaves(shopper, **more)

    def comes(shopper: Shopper, **source: str) -> Any:
        follows(shopper, shopper.user)
        return logs_in(shopper, **source)

    monkeypatch.setattr(Shopper, "leave", leave)
    monkeypatch.setattr(f"{__name__}.log_in", comes)


def leave(shopper: Shopper) -> None:
    """The member deletes their account."""
    shopper.leave().ok(204)


def back(shopper: Shopper, **source: str) -> Shopper:
    """The person returns, from there, with a new address."""
    login = log_in(shopper, **source)
    again = Shopper(shopper.send, shopper.sandbox, shopper.user, login["token"], login["member"]["member_id"])
    again.address_id = again.post("/v1/me/addresses", ADDRESS).ok(201)["address_id"]
    return again


def lives(shopper: Shopper, count: int) -> Iterator[Shopper]:
    """The member, and those that they are after each deletion; so many in all."""
    for number in range(count):
        if number:
            leave(shopper)
            shopper = back(shopper)
        yield shopper
