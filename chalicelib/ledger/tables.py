"""The journal. One table, `ledger`.

| who asks | how | units |
|---|---|---|
| post an entry, once | Put (order, cause), must not exist, in the transaction that it belongs to | 2 WRU |
| explain this order | Query order | 0.5 RRU per 4 KB |

The mall's own accounts have no stored balance: one item that every order changes would be the slowest thing in
the mall. They are folded from the entries (`rules.balances`).
"""

from __future__ import annotations

from pynamodb.attributes import UnicodeAttribute

from chalicelib.ledger.rules import Entry
from chalicelib.store.base import Document, Table, TableMeta, name


class Journal(Table):
    """An entry stands under its order, at its cause: the same cause is never posted twice."""

    class Meta(TableMeta):
        table_name = name("ledger")

    order_id = UnicodeAttribute(hash_key=True)
    cause = UnicodeAttribute(range_key=True)
    entry = Document(Entry)
