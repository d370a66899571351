"""A small mall whose operator defines segments and tags. Its audit holds every list, count and look against a recompute
from orders, events and coupons."""

from __future__ import annotations

import contextlib
import secrets
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from chalicelib.commerce.coupons import ports as coupon_ports
from chalicelib.commerce.coupons.tables import COUPON, Coupons, held
from chalicelib.commerce.orders import ports as order_ports
from chalicelib.commerce.orders.tables import Orders
from chalicelib.core import clock, ids
from chalicelib.customers.events import ports as event_ports
from chalicelib.customers.members import ports as member_ports
from chalicelib.customers.members import service as members
from chalicelib.customers.members.rules import Address
from chalicelib.growth.distribution import ports as distribution_ports
from chalicelib.growth.segments.checks import audit
from chalicelib.growth.segments.definitions.rules import FENCE_MS
from chalicelib.growth.segments.traits.queries import stored
from chalicelib.growth.segments.traits.rules import Traits
from chalicelib.platform.store import tools
from local.client import SHANGHAI, Client, Operator, in_process
from tests.support.coupons import shopper
from tests.support.distribution import bare_member
from tests.support.operators import owner_token
from tests.support.registered import observing
from tests.support.small_mall import DAY, SmallMall
from tests.support.small_mall import opened as small_mall
from tools import growth_books


class SegmentMall:
    """The mall, its operator, and who comes to it."""

    def __init__(self, mall: SmallMall) -> None:
        self.mall = mall
        self.operator = Operator(in_process(), owner_token())

    def member(self) -> str:
        """Somebody new, with an address."""
        return self.with_address(bare_member())

    def with_address(self, member_id: str) -> str:
        """The member, who can order from now on."""
        address = members.add_address(member_id, Address(address_id=ids.new("a"), **SHANGHAI))
        self.mall.addresses[member_id] = address.address_id
        return member_id

    def phone(self, member_id: str) -> Client:
        """The member's mini-program."""
        return shopper(member_id)

    def segment(self, rule: Any, **more: Any) -> str:
        """A segment that is defined just now, and building."""
        made = self.operator.post("/v1/admin/segments", {"name": "分群", "rule": rule, **more}).ok(201)
        return str(made["segment_id"])

    def change(self, segment_id: str, rule: Any, **more: Any) -> None:
        """The segment has another rule from now on."""
        self.operator.put(f"/v1/admin/segments/{segment_id}", {"name": "分群", "rule": rule, **more}).ok()

    def tag(self, **more: Any) -> tuple[str, str]:
        """A tag that is defined just now: its id and name."""
        name = f"t{secrets.token_hex(4)}"
        return str(self.operator.post("/v1/admin/tags", {"name": name, **more}).ok(201)["tag_id"]), name

    def built(self) -> None:
        """Everybody is looked at for what was defined."""
        self.mall.wait(FENCE_MS / 1000 + 1)

    def live(self, rule: Any, **more: Any) -> str:
        """A segment for which everybody has been looked at."""
        made = self.segment(rule, **more)
        self.built()
        return made

    def hear(self, member_id: str, *names: str, ago: timedelta = timedelta(0), **props: Any) -> None:
        """The member's phone tells a batch of events of these names, which happened so long ago."""
        self.phone(member_id).post("/v1/me/events", batch(*names, ago=ago, **props)).ok(202)

    def is_in(self, segment_id: str, member_id: str) -> bool:
        """Whether the member is in the segment now, as an operator is told."""
        told = self.operator.get(f"/v1/admin/segments/{segment_id}/members/{member_id}").ok()
        return bool(told["inside"])

    def listed(self, segment_id: str) -> set[str]:
        """Who is on the list of the segment, as an operator is shown it."""
        return {one["member_id"] for one in self.operator.items(f"/v1/admin/segments/{segment_id}/members")}

    def word(self, member_id: str) -> str:
        """The member's segment of the life cycle, as they are told."""
        return str(self.phone(member_id).get("/v1/me").ok()["segment"])

    def check(self) -> None:
        """Everything is as a recompute says, when nothing is due."""
        self.mall.work()
        assert self.mall.told() == []

    def segment_differences(self) -> list[str]:
        """What the audit of segments alone says."""
        coupons = [held(item) for item in tools.scan(Coupons) if item.part.startswith(COUPON)]
        books = growth_books.segments(coupons, [item.order for item in tools.scan(Orders)])
        return [f"{one.about}: {one.what}" for one in audit(books, clock.now())]


class Nobody:
    """Who stands above a wing and does not listen, as there was before there were segments."""

    def follows(self, template_id: str) -> bool:
        return False

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


@contextlib.contextmanager
def before_segments() -> Iterator[None]:
    """What happens meanwhile happened before the mall had segments."""
    with contextlib.ExitStack() as stack:
        for ports in (member_ports, event_ports, order_ports, coupon_ports, distribution_ports):
            stack.enter_context(observing(ports, Nobody()))
        yield


def batch(*names: str, ago: timedelta = timedelta(0), **props: Any) -> dict[str, Any]:
    """A batch of events of these names, as a phone tells it that knows the time."""
    text, now = str(uuid.uuid4()), clock.now()
    at = (now - ago).isoformat()
    return {
        "batch_id": f"{text[:14]}7{text[15:]}",
        "sent_at": now.isoformat(),
        "events": [{"event_id": secrets.token_hex(6), "name": name, "at": at, "props": props} for name in names],
    }


def traits_of(member_id: str) -> Traits:
    """What is stored of the member."""
    found = stored(member_id)
    assert found is not None
    return found.traits


@contextlib.contextmanager
def opened(suffix: str) -> Iterator[SegmentMall]:
    """Open such a mall in tables of its own. The engine must run."""
    with small_mall(suffix) as mall:
        yield SegmentMall(mall)


__all__ = ["DAY", "SegmentMall", "batch", "opened", "traits_of"]
