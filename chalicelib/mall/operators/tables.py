"""Operators and what they did. Tables `operators`, `audit_entries`.

| who asks | how | units |
|---|---|---|
| may this operator do this (every call) | Get ("operator", name) | 1 RRU |
| log in from an address | Get, Update, Delete ("attempts", "<name>/from/<network>") | 1 RRU, 2 WRU |
| all failures of a day under a name | Update ("attempts", "<name>/day/<day>"), back when it was none | 2 WRU |
| log in from a known browser | Update, Delete ("attempts", "<name>/device/<id>") | 2 WRU |
| prove a password | Get ("operator", name) | 1 RRU |
| prove a second factor | the same and Update; Get, Update, Delete ("attempts", "<name>/code") | 2 RRU, 3 WRU |
| a recovery code | the same, at "<name>/recovery" | 2 RRU, 3 WRU |
| no code where one is wanted | Update ("attempts", "<name>/no-code/<day>") | 1 WRU |
| refresh a browser's token | Get ("operator", name) | 1 RRU |
| all operators, by name | Query "operator" | 0.5 RRU per 4 KB |
| create, change one | by key, and the count of owners where it changes | 2 to 4 WRU |
| that no name looks like a new one | Query "operator", Put ("look", look) | 0.5 RRU per 4 KB, 2 WRU |
| unlock one | Query ("attempts", begins with "<name>/"), Delete each | 1 WRU each |
| list a failed login, count further ones | Put, or Update (day, "<hour>|<name>") | 2 to 4 WRU, with the index |
| open and close an entry of the log | Put, Update (day, position) | 2 to 4 WRU each, with the index |
| a day's log, newest first | Query day | 0.5 RRU per 4 KB |
| an operator's log of a day, newest first | Query by_operator "<name>/<day>" | 0.5 RRU per 4 KB |

A mall has dozens of operators, so they share one partition, which a Query can list. The number of active owners
is an item of its own, ("owners", "-"): its condition keeps the last one, and its absence says that there is no
operator at all. Of names that look alike one is taken: ("look", look), made with the operator. Attempts to log in stand
beside the operators, so that a name that nobody has makes guessers wait just the same.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from pynamodb.attributes import NumberAttribute, TTLAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.mall.operators.rules import Operator
from chalicelib.platform.store.base import Document, Table, TableMeta, name

OPERATOR = "operator"
ATTEMPTS = "attempts"
LOOK = "look"
OWNERS = ("owners", "-")


class Operators(Table):
    """An operator, attempts to log in under a name, the look of a name, or the count of owners: see `kind`."""

    class Meta(TableMeta):
        table_name = name("operators")

    kind = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute(range_key=True)
    # kind "operator"
    operator = Document(Operator, null=True)
    password = UnicodeAttribute(null=True)
    version = NumberAttribute(null=True)
    # the second factor: its secret, one that is not confirmed yet, the step of the last code, hashes of recovery codes
    totp = UnicodeAttribute(null=True)
    totp_begun = UnicodeAttribute(null=True)
    totp_step = NumberAttribute(null=True)
    recovery = UnicodeSetAttribute(null=True)
    # kind "attempts": failures in a row, and until when these may not try (Unix seconds)
    failures = NumberAttribute(null=True)
    locked_until = NumberAttribute(null=True)
    expires = TTLAttribute(null=True)
    # kind "owners"
    active = NumberAttribute(null=True)


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an operator asked for. `body` is at most 2 KB: every number that has room, no secret, and of what is told
    about a person the length alone (audit/rules.py).

    Of failed logins under names that nobody has, `operator` is "-": people type passwords into the wrong field.
    """

    at: datetime
    operator: str
    permission: str
    method: str
    path: str
    parameters: dict[str, str] = {}
    request_id: str
    #: Where the request came from; "" in what was written before, and of tools.
    address: str = ""
    body: str = ""


class ByOperator(GlobalSecondaryIndex["AuditEntries"]):
    """The entries of one operator and day."""

    class Meta:
        index_name = "by_operator"
        projection = AllProjection()

    operator_day = UnicodeAttribute(hash_key=True)
    position = UnicodeAttribute(range_key=True)


class AuditEntries(Table):
    """An entry under its Shanghai day, at `<instant>|<random>`. Without `status`, its call never ended.

    Further failed logins of an hour are one entry, at `<hour>|<name>`: the last of them, and how many.
    """

    class Meta(TableMeta):
        table_name = name("audit_entries")

    day = UnicodeAttribute(hash_key=True)
    position = UnicodeAttribute(range_key=True)
    operator_day = UnicodeAttribute()
    entry = Document(AuditEntry)
    status = NumberAttribute(null=True)
    times = NumberAttribute(null=True)
    #: What the call says of its end, as JSON: what an import changed, whom an operator has appointed.
    outcome = UnicodeAttribute(null=True)
    expires = TTLAttribute()

    by_operator = ByOperator()


def operator_key(operator: str) -> tuple[str, str]:
    """Say where an operator is."""
    return OPERATOR, operator


def attempts_key(operator: str, *whose: str) -> tuple[str, str]:
    """Say where attempts under a name are counted: from a network, by a browser, of codes, of a day."""
    return ATTEMPTS, "/".join((operator, *whose))


def look_key(look: str) -> tuple[str, str]:
    """Say where it stands that a name of that look is taken."""
    return LOOK, look


def operator_day(operator: str, day: str) -> str:
    """Give the key of an operator's entries of a day."""
    return f"{operator}/{day}"
