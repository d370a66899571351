"""Who follows the official account."""

from __future__ import annotations

from typing import Any

from chalicelib.customers.members.identities import service as identities
from chalicelib.customers.members.tables import oa_identity
from local.client import Shopper
from local.notices import follower_message
from tests.support.distribution import run_jobs


def follows(shopper: Shopper, user: str, event: str = "follow", ago: float = 0, **more: Any) -> str:
    """The user follows the official account, or ceases to; which member that is, when the mall has worked on it."""
    told = shopper.sandbox.post(f"oa/{event}", {"user": user, **more})
    scene = f"qrscene_{more['scene']}" if "scene" in more else ""
    names = {"follow": "subscribe", "unfollow": "unsubscribe"}
    answer = shopper.send(*follower_message(told["openid"], names[event], ago, EventKey=scene))
    assert (answer.status, answer.body) == (200, b"success")
    run_jobs()
    return identities.owner_of(oa_identity(told["openid"])) or ""
