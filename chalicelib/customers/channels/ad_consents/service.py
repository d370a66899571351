"""A member agrees that ad platforms are told of what their advertisements have brought, and takes that back."""

from __future__ import annotations

from chalicelib.customers.channels import queries
from chalicelib.customers.channels.ads import service as ads
from chalicelib.customers.channels.touches.service import write
from chalicelib.customers.members import queries as members
from chalicelib.customers.members.consents import service as consents
from chalicelib.platform.store import versioned
from chalicelib.platform.store.transaction import Transaction


def agree(member_id: str, version: str) -> None:
    """Keep that the member agrees, by this version of the text; the platform is told that they joined, where a click
    of its own has brought them. Raises `unauthenticated`, `conflict`, `unavailable`."""
    profile = consents.agree(members.profile(member_id), "ads", version)

    def once() -> None:
        before, tx = queries.stored_touches(member_id), Transaction()
        after = ads.registered(tx, before.value, lambda: profile)
        if after is not before.value:
            write(tx, member_id, before, after)
            versioned.commit(tx)

    versioned.retry(once)


def take_back(member_id: str) -> None:
    """Note that the member takes back what they agreed to: nobody is told of them any more. Raises `unauthenticated`,
    `conflict`, `unavailable`."""
    consents.take_back(member_id, "ads")
