"""Imports point down, and modules stay small: the rules of the house, held against every module of chalicelib."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
#: From the ground up. Those of one storey do not know each other.
STOREYS: tuple[tuple[str, ...], ...] = (
    ("core",), ("store",), ("web",), ("wechat",), ("jobs",), ("ledger",), ("operators",), ("shop",), ("catalogue",),
    ("members",), ("coupons",), ("pricing",), ("cart",), ("orders",),
    ("groupbuy", "distribution", "segments", "journeys", "reports"), ("reconciliation",),
)  # fmt: skip
HEIGHT = {wing: height for height, storey in enumerate(STOREYS) for wing in storey}
OUTSIDE = ("local", "tools", "tests", "bench", "infra", "app")
ROOMS_WITH_IO = ("tables", "service", "routes", "jobs")
#: Asked for elsewhere, they would make a run unrepeatable: the clock and the source of ids are in core.
AMBIENT = ("time", "random", "uuid")
AMBIENT_CALLS = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today")
LINES_MAX = 400
FUNCTION_LINES_MAX = 70
FREE_OF_TYPES = ("web.types",)


@dataclass(frozen=True)
class Module:
    """A module of chalicelib: its name without that, and its text."""

    name: str
    text: str

    @property
    def wing(self) -> str:
        return self.name.split(".")[0]

    @property
    def room(self) -> str:
        return self.name.rpartition(".")[2]


def modules() -> list[Module]:
    house = ROOT / "chalicelib"
    return [
        Module(".".join(path.relative_to(house).with_suffix("").parts), path.read_text())
        for path in sorted(house.rglob("*.py"))
        if path.name != "__init__.py"
    ]


def imported(tree: ast.Module) -> Iterator[str]:
    """What is imported, wherever it is written, as names with dots; `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, "imports are absolute"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def violations(module: Module) -> list[str]:
    """Everything about the module that the house does not allow."""
    tree = ast.parse(module.text)
    found = [] if module.wing in HEIGHT else [f"nobody knows on which storey {module.wing} lies"]
    found += [fault for name in imported(tree) for fault in _import_faults(module, name)]
    found += _ambient_faults(module, tree)
    found += _size_faults(module, tree)
    return [f"{module.name}: {fault}" for fault in found]


def _import_faults(module: Module, name: str) -> Iterator[str]:
    if name.split(".")[0] in OUTSIDE:
        yield f"imports {name}, which is not deployed"
    if module.wing != "core" and name.split(".")[0] in AMBIENT:
        yield f"imports {name}: that is for core"
    if not name.startswith("chalicelib."):
        return
    parts = name.split(".")[1:]
    wing, room = parts[0], parts[1] if len(parts) > 1 else ""
    if wing != module.wing and HEIGHT.get(wing, -1) >= HEIGHT.get(module.wing, -1):
        yield f"imports {name}, which does not lie below"
    if room.endswith("routes") and not module.room.endswith("routes"):
        yield f"imports {name}: routes are for app.py"
    if module.room == "rules" and room in ROOMS_WITH_IO and wing not in ("core",):
        yield f"imports {name}: rules are pure"
    if module.room == "rules" and wing in ("store", "web", "wechat") and f"{wing}.{room}" not in FREE_OF_TYPES:
        yield f"imports {name}: rules are pure"


def _ambient_faults(module: Module, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        text = ast.unparse(node)
        if text in ("os.environ", "os.getenv") and module.name != "core.settings":
            yield f"line {node.lineno} reads the environment: core.settings does"
        if module.wing != "core" and text.endswith(AMBIENT_CALLS):
            yield f"line {node.lineno} asks {text}: core.clock does"
    scans = [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Constant) and node.value == "Scan")
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "scan")
    ]
    if scans and module.name != "store.tools":
        yield f"line {scans[0]} scans a table"


def _size_faults(module: Module, tree: ast.Module) -> Iterator[str]:
    lines = len(module.text.splitlines())
    if lines > LINES_MAX:
        yield f"has {lines} lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield f"{node.name} has {length} lines"


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_the_rules_of_the_house(module: Module) -> None:
    assert violations(module) == []


PLANTED = {
    "imports app.app": Module("core.ids", "from app import app"),
    "imports local.mall": Module("orders.pay", "def f():\n    import local.mall"),
    "imports tools.audit": Module("orders.pay", "from tools import audit"),
    "imports chalicelib.orders.pay, which does not lie below": Module("cart.service", "import chalicelib.orders.pay"),
    "imports chalicelib.groupbuy.rules.Lobby, which does not lie below": Module(
        "segments.service", "from chalicelib.groupbuy.rules import Lobby"
    ),
    "imports chalicelib.cart.routes: routes are for app.py": Module(
        "orders.service", "from chalicelib.cart import routes"
    ),
    "imports chalicelib.orders.tables.Orders: rules are pure": Module(
        "orders.rules", "from chalicelib.orders.tables import Orders"
    ),
    "imports chalicelib.store.read: rules are pure": Module("orders.rules", "from chalicelib.store import read"),
    "imports random: that is for core": Module("orders.pay", "import random"),
    "imports time.time: that is for core": Module("orders.pay", "from time import time"),
    "line 2 reads the environment: core.settings does": Module("core.log", "import os\nos.environ['A']"),
    "line 2 asks datetime.now: core.clock does": Module("web.edge", "from datetime import datetime\ndatetime.now()"),
    "line 1 scans a table": Module("orders.views", "call('Scan', {})"),
    "line 1 scans": Module("orders.views", "Orders.scan()"),
    "has 401 lines": Module("orders.views", "\n" * 401),
    "f has 71 lines": Module("orders.views", "def f():\n" + "    pass\n" * 70),
    "nobody knows on which storey attic lies": Module("attic.rules", ""),
}


@pytest.mark.parametrize("fault", list(PLANTED))
def test_a_planted_violation_is_found(fault: str) -> None:
    assert any(fault in found for found in violations(PLANTED[fault])), violations(PLANTED[fault])


def test_what_is_allowed_is_not_found() -> None:
    allowed = "import os\nfrom chalicelib.web.types import Fen\nfrom chalicelib.members.rules import Address\n"
    assert violations(Module("orders.rules", allowed)) == []
