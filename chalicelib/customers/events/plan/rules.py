"""The tracking plan: every event that may be told of a member, with its props, who asked for it, what for, and for how
long it is kept. The server's schema and docs/events.md are made from it. Pure.

It is a module and no file of data: it is typed, lies compiled in the package, and costs a cold start no reading. What
has no purpose here is not collected; scrolling, heartbeats and free text never are.
"""

from __future__ import annotations

from typing import Literal

import msgspec

By = Literal["client", "server"]
Kind = Literal["text", "integer", "boolean"]
PropValue = str | int | bool

#: The longest that anything is kept, in days.
KEEP_DAYS_MAX = 90
_TYPES: dict[Kind, type] = {"text": str, "integer": int, "boolean": bool}


class Prop(msgspec.Struct, frozen=True):
    """What an event may say of itself: of which kind, one of which texts where these are named, and whether it must."""

    name: str
    kind: Kind
    choices: tuple[str, ...]
    is_required: bool

    def takes(self, value: PropValue) -> bool:
        """Tell whether this is a value of the prop."""
        return type(value) is _TYPES[self.kind] and (not self.choices or value in self.choices)


class PlannedEvent(msgspec.Struct, frozen=True):
    """An event of the plan. Those by the server say what the mall itself has seen; from a client they are refused."""

    name: str
    props: dict[str, Prop]
    owner: str
    purpose: str
    keep_days: int
    by: By


def _prop(text: str) -> Prop:
    """Read a prop as the plan writes it: `name`, `name: integer`, `name: a|b`; with a `?` it may be left out."""
    name, _, what = text.partition(": ")
    kinds: dict[str, Kind] = {"": "text", "integer": "integer", "boolean": "boolean"}
    choices = () if what in kinds else tuple(what.split("|"))
    return Prop(name.removesuffix("?"), kinds.get(what, "text"), choices, not name.endswith("?"))


def _client(name: str, *props: str, owner: str, purpose: str, keep: int = KEEP_DAYS_MAX) -> PlannedEvent:
    read = [_prop(text) for text in props]
    return PlannedEvent(name, {prop.name: prop for prop in read}, owner, purpose, keep, "client")


def _server(name: str, purpose: str) -> PlannedEvent:
    return PlannedEvent(name, {}, "the mall", purpose, 0, "server")


_ALL = (
    _client("app_launch", "scene: integer", "path", "referrer_appid?", owner="growth",
            purpose="Who comes back, by which way; the first of a day sets when a member was last seen"),
    _client("page_view", "page", "product_id?", "activity_id?", owner="product", keep=30,
            purpose="Which pages are used, and where shoppers leave"),
    _client("product_view", "product_id", "sku_id?", "from", owner="merchandising",
            purpose="Interest in a product: segments of those who looked and did not buy"),
    _client("search", "q_hash", "results: integer", owner="merchandising", keep=30,
            purpose="Searches that find nothing; of the words only a digest"),
    _client("category_view", "category_id", owner="merchandising", purpose="Interest in a category"),
    _client("add_to_cart", "sku_id", "quantity: integer", owner="merchandising",
            purpose="Carts that are left: whom a journey reminds"),
    _client("remove_from_cart", "sku_id?", owner="merchandising", purpose="Ends what a full cart has begun"),
    _client("cart_view", owner="merchandising", purpose="The way from cart to order"),
    _client("checkout_start", "amount_fen: integer", owner="merchandising",
            purpose="Checkouts that are left; no sum of what was bought"),
    _client("coupon_view", "template_id", owner="marketing", purpose="Which coupons are looked at"),
    _client("coupon_claim", "template_id?", owner="marketing",
            purpose="The tap on a claim; what was got the mall knows itself"),
    _client("share", "target: product|lobby|coupon|live", "id", "token", owner="growth", purpose="Who shares what"),
    _client("share_open", "token", owner="growth", purpose="What a share brings"),
    _client("favourite", "product_id?", owner="merchandising", purpose="That somebody keeps things for later"),
    _client("live_enter", "room_id", "kind: channels|mini", "fan?: boolean", owner="live",
            purpose="Who comes to a live room, and whether as a fan"),
    _client("live_leave", "seconds: integer", owner="live", purpose="How long a live room holds its guests"),
    _client("live_goods_click", "product_id", owner="live", purpose="What is looked at in a live room"),
    _client("lobby_view", "lobby_id", owner="growth", purpose="Who looks at a group and does not join"),
    _client("message_open", "message_id", owner="marketing", purpose="Whether what was sent is opened"),
    _client("subscribe_prompt", "template_id", "result: accept|reject|ban|filter", owner="marketing",
            purpose="When to ask for a subscription, and when no more"),
    _client("contact_add_click", "channel", owner="service", purpose="Which ways lead to the staff's contact"),
    _client("form_submit", "form_id", owner="service", purpose="That a form was sent; nothing of what it says"),
    _server("joined", "A member has joined"),
    _server("order_placed", "An order was placed"),
    _server("order_paid", "An order was paid"),
    _server("order_received", "An order was received"),
    _server("order_completed", "An order is completed"),
    _server("order_refunded", "An order was refunded"),
    _server("coupon_got", "A member has got a coupon"),
    _server("coupon_used", "A coupon was used"),
    _server("coupon_expired", "A coupon has ended unused"),
    _server("lobby_succeeded", "A group is complete"),
    _server("lobby_failed", "A group has ended short of members"),
    _server("bound", "A member was bound to a distributor"),
    _server("tag_added", "A tag was set"),
    _server("segment_entered", "A member came into a segment"),
    _server("segment_left", "A member left a segment"),
    _server("message_sent", "A message was sent"),
    _server("message_failed", "A message could not be sent"),
    _server("wecom_added", "A member of staff was added as a contact"),
    _server("wecom_deleted", "A contact was deleted"),
    _server("task_done", "A task of the staff's was done"),
)  # fmt: skip

#: Every event by its name, in the order of the plan.
PLAN: dict[str, PlannedEvent] = {event.name: event for event in _ALL}
#: The one that also says that a member is here.
LAUNCH = "app_launch"


def client_events() -> frozenset[str]:
    """Name the events that clients tell."""
    return frozenset(name for name, event in PLAN.items() if event.by == "client")
