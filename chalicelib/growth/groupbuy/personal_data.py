"""What group-buys keep of a member: how many pieces they have bought in those that run. There is nothing of the person
in it to erase; it counts on for who returns."""

from __future__ import annotations

from typing import Any

from chalicelib.customers.members.ports import DataOwner
from chalicelib.growth.groupbuy.absorbing.service import absorb
from chalicelib.growth.groupbuy.activities import queries as activities
from chalicelib.growth.groupbuy.tables import bought_key, carried_item
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import save_new


def _bought(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    return [{"activity_id": one, "pieces": pieces} for one, pieces in _counted(member_id).items()], None


def _counted(member_id: str) -> dict[str, int]:
    """How many pieces are counted in each activity that runs; limits of those that are over stop nobody any more."""
    running = activities.running_ids()
    found = read.batch_get([bought_key(one, member_id) for one in running])
    return {one: int(item.bought) for one, item in zip(running, found, strict=True) if item is not None and item.bought}


def _hand_on(former: str, member_id: str) -> None:
    for activity_id, pieces in _counted(former).items():
        save_new(carried_item(activity_id, member_id, pieces))


DATA_OWNERS = (DataOwner("group_purchases", _bought, absorb, hand_on=_hand_on),)
