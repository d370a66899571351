"""Writes docs/reference.md from what the wings declare: `python -m tools.reference`."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from pynamodb.attributes import Attribute, TTLAttribute

import app
from chalicelib.core.settings import settings
from chalicelib.mall.operators.rules import PERMISSIONS, ROLES
from chalicelib.platform import wings
from chalicelib.platform.jobs import declarations, job
from chalicelib.platform.jobs.declarations import Event, Kind
from chalicelib.platform.store.base import Table
from chalicelib.platform.web.endpoint import ENDPOINTS
from infra.tables import every_table
from local.processes import ROOT

FILE = ROOT / "docs" / "reference.md"

_HEAD = """\
# Reference: events, jobs, tables, permissions

Made by `python -m tools.reference` from what the wings declare; a test holds that it is up to date. The names of
events, jobs, tables and attributes are stored: they never change once a mall is deployed.
"""
_EVENTS = """
## Events

An event is told in the transaction of what has happened. With one hearer its job runs that one; with several it owes
each a job of its own, named `<event>/<hearer>`. Nothing is written of an event that nobody hears.

| event | told by | heard by | in the lane |
|---|---|---|---|
"""
#: Who tells of an event that is only heard until what is queued of it is gone.
_BEFORE = "the version before"
_JOBS = """
## Jobs

`INSIDE` only touches DynamoDB and runs at its second; `OUTSIDE` calls other people's servers, or takes long; `MANY` is
owed to very many members at once, touches DynamoDB alone, and lies in a table of its own, as does `SENDS`, which calls
other people's servers for them.

| kind | lane | handler | what it does |
|---|---|---|---|
"""
_TABLES = """
## Tables

Who asks what of a table, and what it costs, stands at the top of its `tables.py`. TTL only removes rubbish.

| table | declared in | keys | indexes | TTL |
|---|---|---|---|---|
"""
_PERMISSIONS = """
## Permissions

The role `owner` has them all.

| permission | roles | calls |
|---|---|---|
"""


def page() -> str:
    """Make the page, each table by name."""
    return "".join(
        (
            _HEAD,
            *(_EVENTS, *_rows(sorted(_events()))),
            *(_JOBS, *_rows(_jobs())),
            *(_TABLES, *_rows(_tables())),
            *(_PERMISSIONS, *_rows(_permissions())),
        )
    )


def _rows(rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    return (f"| {' | '.join(row)} |\n" for row in rows)


def _events() -> Iterable[tuple[str, ...]]:
    for module in wings.load(app.WINGS, "jobs"):
        for constant, event in vars(module).items():
            if isinstance(event, Event):
                hearers = sorted(declarations.subscribers_of(event.name), key=lambda kind: kind.name)
                names = "<br>".join(f"`{kind.name.partition('/')[2]}` ({_reference(kind)})" for kind in hearers)
                lanes = "<br>".join(kind.lane.name for kind in hearers)
                yield f"`{event.name}`", _tellers(module.__name__, constant) or _BEFORE, names or "nobody yet", lanes


def _tellers(module: str, constant: str) -> str:
    """Name the functions that tell the event: those that use its constant, which they have from the wing's jobs.py."""
    found: list[str] = []
    for file in sorted((ROOT / "chalicelib").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == module]
        if any(name.name == constant for node in imports for name in node.names):
            where = file.relative_to(ROOT / "chalicelib").as_posix()
            bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
            functions = [node for body in bodies for node in body if isinstance(node, ast.FunctionDef)]
            found += [f"{where}: `{function.name}`" for function in functions if _uses(function, constant)]
    return "<br>".join(found)


def _uses(function: ast.FunctionDef, constant: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == constant for node in ast.walk(function))


def _jobs() -> Iterable[tuple[str, ...]]:
    for kind in sorted(declarations.kinds(), key=lambda kind: kind.name):
        if "/" not in kind.name and not declarations.is_event(kind):
            at = declarations.daily_kinds().get(kind)
            daily = f" Every day at {at:%H:%M} of Asia/Shanghai." if at else ""
            yield f"`{kind.name}`", kind.lane.name, _reference(kind), _first_paragraph(kind) + daily


def _reference(kind: Kind) -> str:
    module, _, function = kind.handler.partition(":")
    return f"{_file(module)}: `{function}`"


def _first_paragraph(kind: Kind) -> str:
    text = inspect.getdoc(job.load(kind.handler)) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _tables() -> Iterable[tuple[str, ...]]:
    return (_table(table) for table in every_table())


def _table(table: type[Table]) -> tuple[str, ...]:
    attributes = table.get_attributes()
    ttl = [f"`{name}`" for name, attribute in attributes.items() if isinstance(attribute, TTLAttribute)]
    indexes = [f"`{index.Meta.index_name}` ({_keys(index.Meta.attributes)})" for index in table._indexes.values()]
    name = table.Meta.table_name.removeprefix(settings().table_prefix)
    return f"`{name}`", _file(table.__module__), _keys(attributes), "<br>".join(indexes), ", ".join(ttl)


def _keys(attributes: Mapping[str, Attribute[Any]]) -> str:
    names = [name for name, attribute in attributes.items() if attribute.is_hash_key]
    names += [name for name, attribute in attributes.items() if attribute.is_range_key]
    return ", ".join(f"`{name}`" for name in names)


def _permissions() -> Iterable[tuple[str, ...]]:
    for permission in sorted(PERMISSIONS):
        roles = sorted(role for role, granted in ROLES.items() if permission in granted and role != "owner")
        calls = sorted(f"`{each.method} {each.path}`" for each in ENDPOINTS if each.permission == permission)
        yield f"`{permission}`", ", ".join(roles), "<br>".join(calls)


def _file(module: str) -> str:
    return f"{module.removeprefix('chalicelib.').replace('.', '/')}.py"


def main() -> int:
    """Write the page; the exit status."""
    FILE.write_text(page(), encoding="utf-8")
    print(f"{FILE.relative_to(ROOT)} is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
