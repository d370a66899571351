"""What is stored is named by rule: tables, indexes and attributes have their last name once a mall is deployed.

A table is named as its model is, an index as its class. Sort keys that tell kinds of items of a table apart are `part`.
An attribute that holds one instant as text ends in `_at`, and what DynamoDB deletes by is `expires`, alone.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pynamodb.attributes import TTLAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from chalicelib.core.settings import settings
from chalicelib.platform.store import tools
from chalicelib.platform.store.base import Table, TableMeta, hash_key, name, range_key

ROOT = Path(__file__).resolve().parent.parent.parent / "chalicelib"
WORDS = re.compile(r"[a-z]+(_[a-z]+)*")
#: Tables whose items are all of one kind under their hash key, with the sort key that orders them or tells them apart.
OF_ONE_KIND = {
    "audit_entries": "position",
    "commissions": "level",
    "jobs": "due",
    "jobs_of_many": "due",
    "ledger_entries": "cause",
    "listings": "sort_key",
    "movements": "cause",
    "operators": "name",
    "purchases": "product_id",
    "segment_members": "member_id",
}
#: What writes an instant as text.
STAMP = ("clock", "stamp")


def models() -> list[type[Table]]:
    importlib.import_module("app")  # brings in every wing, and so every table
    return [table for table in tools.tables() if table.__module__.startswith("chalicelib.")]


def snake_case(class_name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", class_name).lower()


def plain_name(table: type[Table]) -> str:
    return str(table.Meta.table_name).removeprefix(settings().table_prefix)


def faults(table: type[Table]) -> list[str]:
    """What is named against the rules in a model."""
    return [*_table_faults(table), *_index_faults(table), *_attribute_faults(table)]


def _table_faults(table: type[Table]) -> Iterator[str]:
    stored = plain_name(table)
    if stored != snake_case(table.__name__):
        yield f"the table of {table.__name__} is called {stored}"
    sort_key = range_key(table)
    if sort_key is not None and sort_key.attr_name != OF_ONE_KIND.get(stored, "part"):
        yield f"the sort key of {table.__name__} is called {sort_key.attr_name}"


def _index_faults(table: type[Table]) -> Iterator[str]:
    for index in table._indexes.values():  # private to PynamoDB, held by test_models
        known_as, stored = type(index).__name__, index.Meta.index_name
        if not known_as.startswith("By") or stored != snake_case(known_as):
            yield f"the index {known_as} of {table.__name__} is called {stored}"
        if getattr(table, stored, None) is not index:
            yield f"{table.__name__} has {stored} under another name"


def _attribute_faults(table: type[Table]) -> Iterator[str]:
    for python_name, attribute in table.get_attributes().items():
        stored = attribute.attr_name
        if stored != python_name or not WORDS.fullmatch(stored):
            yield f"{table.__name__}.{python_name} is stored as {stored}"
        if isinstance(attribute, TTLAttribute) != (stored == "expires"):
            yield f"{table.__name__}.{python_name} is what DynamoDB deletes by, or is called like it"
        if stored.endswith("_at") and not isinstance(attribute, UnicodeAttribute):
            yield f"{table.__name__}.{python_name} ends in _at and is no text"


def instants(source: str, known: Mapping[str, type[Table]]) -> list[str]:
    """The attributes that a module sets to one instant as text, and whose names do not say so."""
    found = [
        each for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) for each in _set_by(node, known)
    ]
    return [f"{table}.{attribute} holds an instant" for table, attribute in found if not attribute.endswith("_at")]


def _set_by(call: ast.Call, known: Mapping[str, type[Table]]) -> Iterator[tuple[str, str]]:
    match call.func:
        case ast.Name(id=model) if model in known:
            yield from ((model, each.arg) for each in call.keywords if each.arg and _is_stamp(each.value))
            keys = [key.attr_name for key in (hash_key(known[model]), range_key(known[model])) if key is not None]
            yield from ((model, key) for key, value in zip(keys, call.args, strict=False) if _is_stamp(value))
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id=model), attr=attribute), attr="set") if model in known:
            yield from ((model, attribute) for value in call.args if _is_stamp(value))


def _is_stamp(value: ast.expr) -> bool:
    match value:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=function)):
            return (module, function) == STAMP
        case ast.IfExp(body=body, orelse=orelse):
            return _is_stamp(body) or _is_stamp(orelse)
    return False


def test_what_is_stored_is_named_by_rule() -> None:
    found = models()
    assert len(found) > 25
    assert [fault for table in found for fault in faults(table)] == []
    names = {plain_name(table) for table in found}
    assert len(names) == len(found) and set(OF_ONE_KIND) <= names


def test_an_instant_as_text_is_called_at() -> None:
    known = {table.__name__: table for table in models()}
    found = {path.name: instants(path.read_text(), known) for path in sorted(ROOT.rglob("*.py"))}
    assert {module: wrong for module, wrong in found.items() if wrong} == {}
    sources = "\n".join(path.read_text() for path in ROOT.rglob("tables.py"))
    assert "ends_at=clock.stamp(" in sources  # there is something to find


def planted(table_name: str = "gifts", attributes: Mapping[str, Any] | None = None, index: Any = None) -> type[Table]:
    """A model of this name and attributes. It is no Table, so that no other test comes across it."""
    meta = type("Meta", (TableMeta,), {"table_name": name(table_name)})
    key = UnicodeAttribute(hash_key=True)
    body = {"__module__": __name__, "Meta": meta, "gift_id": key, **(attributes or {})}
    if index is not None:
        body[index.Meta.index_name.replace("-", "_")] = index
    return type("Gifts", (Model,), body)  # type: ignore[return-value]


def index_of(class_name: str, index_name: str) -> GlobalSecondaryIndex[Any]:
    meta = type("Meta", (), {"index_name": index_name, "projection": AllProjection()})
    body = {"__module__": __name__, "Meta": meta, "owner": UnicodeAttribute(hash_key=True)}
    index: GlobalSecondaryIndex[Any] = type(class_name, (GlobalSecondaryIndex,), body)()
    return index


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"table_name": "gift-cards"}, "the table of Gifts is called gift-cards"),
        ({"table_name": "presents"}, "the table of Gifts is called presents"),
        ({"attributes": {"kind": UnicodeAttribute(range_key=True)}}, "the sort key of Gifts is called kind"),
        ({"index": index_of("Shelf", "shelf")}, "the index Shelf of Gifts is called shelf"),
        ({"index": index_of("ByOwner", "by-owner")}, "the index ByOwner of Gifts is called by-owner"),
        ({"attributes": {"givenBy": UnicodeAttribute()}}, "Gifts.givenBy is stored as givenBy"),
        ({"attributes": {"giver": UnicodeAttribute(attr_name="g")}}, "Gifts.giver is stored as g"),
        (
            {"attributes": {"expires": UnicodeAttribute()}},
            "Gifts.expires is what DynamoDB deletes by, or is called like it",
        ),
        ({"attributes": {"rots": TTLAttribute()}}, "Gifts.rots is what DynamoDB deletes by, or is called like it"),
        (
            {"attributes": {"deleted_at": TTLAttribute()}},
            "Gifts.deleted_at ends in _at and is no text",
        ),
    ],
)
def test_a_planted_name_is_found(arguments: dict[str, Any], fault: str) -> None:
    assert fault in faults(planted(**arguments))


def test_what_is_allowed_is_not_found() -> None:
    attributes = {"part": UnicodeAttribute(range_key=True), "given_at": UnicodeAttribute(), "expires": TTLAttribute()}
    assert faults(planted(attributes=attributes, index=index_of("ByOwner", "by_owner"))) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("Gifts('g1', given=clock.stamp(now))", ["Gifts.given holds an instant"]),
        ("Gifts('g1', given=clock.stamp(now) if now else None)", ["Gifts.given holds an instant"]),
        ("Gifts(clock.stamp(now))", ["Gifts.gift_id holds an instant"]),
        ("actions = [Gifts.given.set(clock.stamp(now))]", ["Gifts.given holds an instant"]),
        ("Gifts('g1', given_at=clock.stamp(now), made=f'{clock.stamp(now)}|g1')", []),
        ("Others('g1', given=clock.stamp(now))", []),
    ],
)
def test_a_planted_instant_is_found(source: str, found: Iterable[str]) -> None:
    assert instants(source, {"Gifts": planted()}) == found
