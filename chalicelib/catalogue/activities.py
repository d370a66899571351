"""What a product's page says of the activities it takes part in.

Whoever runs an activity announces it in its own transaction and retracts it when it is over, so that the product's
items do not grow with every activity there ever was. After the commit it forgets the cache's group "catalogue".
"""

from __future__ import annotations

from chalicelib.catalogue.rules import ActivityCard
from chalicelib.catalogue.tables import ACTIVITY, Products
from chalicelib.store.transaction import Transaction


def announce(tx: Transaction, product_id: str, card: ActivityCard) -> None:
    """Show the activity on the product's page until it ends, as part of `tx`; replaces what was announced of it."""
    tx.put(Products(product_id, ACTIVITY + card.activity_id, announcement=card))


def retract(tx: Transaction, product_id: str, activity_id: str) -> None:
    """Show the activity on the product's page no more, as part of `tx`. Repeatable."""
    tx.delete(Products, (product_id, ACTIVITY + activity_id))
