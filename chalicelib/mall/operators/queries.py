"""Reads of operators: one, and all of them."""

from __future__ import annotations

from chalicelib.core.errors import MallError
from chalicelib.core.refusals import NO_SUCH
from chalicelib.mall.operators.rules import Operator
from chalicelib.mall.operators.tables import OPERATOR, Operators, operator_key
from chalicelib.platform.store import read
from chalicelib.platform.store.versioned import Versioned


def find(name: str) -> Operator | None:
    """Find the operator of that name as it is now, or None."""
    found = item(name)
    return None if found is None else found.operator


def item(name: str) -> Operators | None:
    """Find the operator with what proves them: hash of the password, second factor. It stays within this wing."""
    return read.get(Operators, *operator_key(name))


def existing(name: str) -> Versioned[Operator]:
    """Read the operator of that name, to be changed. Raises `not_found`."""
    found = item(name)
    if found is None:
        raise MallError("not_found", errors=(NO_SUCH.at("name"),))
    return Versioned(found.operator, int(found.version))


def operators() -> list[Operator]:
    """Read all operators, by name."""
    return [found.operator for found in read.query_all(Operators, OPERATOR, consistent=True)]
