"""Operators and what they did. Tables `operators`, `audit_entries`.

| who asks | how | units |
|---|---|---|
| may this operator do this (every call) | Get ("operator", name) | 1 RRU |
| log in | Get and Update ("attempts", name), Get ("operator", name) | 2 RRU, 1 WRU |
| all operators, by name | Query "operator" | 0.5 RRU per 4 KB |
| create, change one | by key, and the count of owners where it changes | 1 to 4 WRU |
| open and close an entry of the log | Put, Update (day, position) | 2 to 4 WRU each, with the index |
| a day's log, newest first | Query day | 0.5 RRU per 4 KB |
| an operator's log of a day, newest first | Query by_operator "<name>/<day>" | 0.5 RRU per 4 KB |

A mall has dozens of operators, so they share one partition, which a Query can list. The number of active owners
is an item of its own, ("owners", "-"): its condition keeps the last one, and its absence says that there is no
operator at all. Attempts to log in stand beside the operators, so that a name that nobody has is locked out just
the same.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from pynamodb.attributes import NumberAttribute, TTLAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.mall.operators.rules import Operator
from chalicelib.platform.store.base import Document, Table, TableMeta, name

OPERATOR = "operator"
ATTEMPTS = "attempts"
OWNERS = ("owners", "-")


class Operators(Table):
    """An operator, the attempts to log in under a name, or the count of owners: see `kind`."""

    class Meta(TableMeta):
        table_name = name("operators")

    kind = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute(range_key=True)
    # kind "operator"
    operator = Document(Operator, null=True)
    password = UnicodeAttribute(null=True)
    version = NumberAttribute(null=True)
    # kind "attempts": failures in a row, and until when nobody may try (Unix seconds)
    failures = NumberAttribute(null=True)
    locked_until = NumberAttribute(null=True)
    expires = TTLAttribute(null=True)
    # kind "owners"
    active = NumberAttribute(null=True)


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an operator asked for. `body` is cut to 2 KB, without passwords and phone numbers."""

    at: datetime
    operator: str
    permission: str
    method: str
    path: str
    parameters: dict[str, str] = {}
    request_id: str
    body: str = ""


class ByOperator(GlobalSecondaryIndex["AuditEntries"]):
    """The entries of one operator and day."""

    class Meta:
        index_name = "by_operator"
        projection = AllProjection()

    operator_day = UnicodeAttribute(hash_key=True)
    position = UnicodeAttribute(range_key=True)


class AuditEntries(Table):
    """An entry under its Shanghai day, at `<instant>|<random>`. Without `status`, its call never ended."""

    class Meta(TableMeta):
        table_name = name("audit_entries")

    day = UnicodeAttribute(hash_key=True)
    position = UnicodeAttribute(range_key=True)
    operator_day = UnicodeAttribute()
    entry = Document(AuditEntry)
    status = NumberAttribute(null=True)
    expires = TTLAttribute()

    by_operator = ByOperator()


def operator_key(operator: str) -> tuple[str, str]:
    """Say where an operator is."""
    return OPERATOR, operator


def attempts_key(operator: str) -> tuple[str, str]:
    """Say where the attempts to log in under a name are counted."""
    return ATTEMPTS, operator


def operator_day(operator: str, day: str) -> str:
    """Give the key of an operator's entries of a day."""
    return f"{operator}/{day}"
