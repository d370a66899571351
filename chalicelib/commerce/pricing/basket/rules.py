"""What is bought, and what each line of it costs by now, on its way through promotions and coupons. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from chalicelib.commerce.coupons.rules import Scope
from chalicelib.core.money import split_fen

#: The freight template of products that name none. Where the merchant has not made it, freight is free.
DEFAULT_TEMPLATE = "default"

_WHOLE_BP = 10_000


def floor_fen(amount_fen: int, floor_bp: int) -> int:
    """Take basis points of an amount in fen, rounded up to the fen."""
    return -(-amount_fen * floor_bp // _WHOLE_BP)


class Lead(msgspec.Struct, frozen=True):
    """What the leader of a lobby has off one piece, in fen, in this activity of a group-buy."""

    activity_id: str
    off_fen: int


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """What is bought of one SKU.

    `categories` are its category and those above. `group`: the price is that of a group-buy, which promotions leave
    alone; `sale_price_fen` is then the price without it, where the floor is reckoned from (None: from the same).
    `lead`: what its leader has off one of the pieces.
    """

    sku_id: str
    quantity: int
    unit_price_fen: int
    weight_g: int = 0
    template_id: str = DEFAULT_TEMPLATE
    product_id: str = ""
    categories: tuple[str, ...] = ()
    group: bool = False
    sale_price_fen: int | None = None
    lead: Lead | None = None

    @property
    def amount_fen(self) -> int:
        """What all pieces cost, in fen, before anything comes off."""
        return self.unit_price_fen * self.quantity

    def floor_fen(self, floor_bp: int) -> int:
        """Find the least that the line may be brought down to: basis points of its amount at the sale price, rounded
        up."""
        price = self.unit_price_fen if self.sale_price_fen is None else self.sale_price_fen
        return floor_fen(price * self.quantity, floor_bp)


class LineDiscount(msgspec.Struct, frozen=True):
    """What comes off a line."""

    sku_id: str
    discount_fen: int


class Discount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that came off: the promotion's or coupon's id, name and kind, and on which lines.

    What a coupon takes off the freight is on no line. `version` of the promotion, for what is refunded of an order: 0
    before versions were kept.
    """

    source: Literal["promotion", "coupon"]
    id: str
    name: str
    kind: str
    discount_fen: int
    lines: list[LineDiscount]
    version: int = 0


class Basket:
    """What each line costs by now (`costs`), what a piece of it does on average, rounded down (`pieces`), and how much
    more may come off it (`rooms`): in fen, by its position. Never changed: `less` gives another one."""

    def __init__(self, items: Sequence[Item], costs: Sequence[int], floors: Sequence[int]) -> None:
        self.items = items
        self.costs = costs
        self.pieces = [cost // item.quantity for cost, item in zip(costs, items, strict=True)]
        self.rooms = [max(0, cost - floor) for cost, floor in zip(costs, floors, strict=True)]
        self._floors = floors

    @classmethod
    def at_full_price(cls, items: Sequence[Item], floor_bp: int) -> Basket:
        """Make the basket before anything came off; `floor_bp` is the least that a line may cost, of its amount."""
        return cls(items, [item.amount_fen for item in items], [item.floor_fen(floor_bp) for item in items])

    def less(self, parts: Mapping[int, int]) -> Basket:
        """Take fen off lines, by their positions: the basket after it."""
        return Basket(self.items, [cost - parts.get(index, 0) for index, cost in enumerate(self.costs)], self._floors)

    def within(self, scope: Scope) -> list[int]:
        """Find the lines in a scope: those that `scope.covers`. Asked for each coupon, whose scopes may name 500
        things."""
        named = bool(scope.products or scope.categories)
        products, categories = frozenset(scope.products), frozenset(scope.categories)
        excluded = frozenset(scope.excluded_products)
        return [
            index
            for index, item in enumerate(self.items)
            if item.product_id not in excluded
            and (not named or item.product_id in products or not categories.isdisjoint(item.categories))
        ]

    def cost(self, lines: Sequence[int]) -> int:
        """Add up what these lines cost by now, in fen."""
        return sum([self.costs[index] for index in lines])

    def room(self, lines: Sequence[int]) -> int:
        """Add up how much more may come off these lines, in fen."""
        return sum([self.rooms[index] for index in lines])

    def shared(self, discount_fen: int, lines: Sequence[int]) -> dict[int, int]:
        """Share a discount of at most their room over these lines, in proportion to their rooms: so none gets more than
        it has, and to the fen by the largest remainder."""
        return dict(zip(lines, split_fen(discount_fen, [self.rooms[index] for index in lines]), strict=True))

    def explained(self, parts: Mapping[int, int]) -> list[LineDiscount]:
        """List the parts of a discount by SKU, without those of nothing."""
        return [LineDiscount(self.items[index].sku_id, fen) for index, fen in sorted(parts.items()) if fen]


#: The name of what a leader has off, beside the merchant's own names of promotions.
LEADER_NAME = "团长优惠"


def led(basket: Basket) -> tuple[Basket, list[Discount]]:
    """Take off one piece of each line what the leader of its group-buy has off: the basket after it, and what came off.

    It is the merchant's own word for one piece, and holds below the floor, too.
    """
    discounts: list[Discount] = []
    for index, item in enumerate(basket.items):
        if item.lead is None or not item.lead.off_fen:
            continue
        parts = {index: item.lead.off_fen}
        basket = basket.less(parts)
        discounts.append(
            Discount(
                source="promotion", id=item.lead.activity_id, name=LEADER_NAME, kind="leader_price",
                discount_fen=item.lead.off_fen, lines=basket.explained(parts),
            )
        )  # fmt: skip
    return basket, discounts
