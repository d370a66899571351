"""The rules of the house, held against every module of chalicelib: imports point down, rooms have one set of names,
what claims to be pure is, what may be done again leaves no trace, and modules stay small (docs/architecture.md)."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.retried import effect_faults

ROOT = Path(__file__).resolve().parent.parent.parent
#: From the ground up: the neighbourhoods, and in each its wings. Nobody knows what stands above, so no two wings know
#: each other. Those that are not built yet have their place already.
HOUSE: dict[str, tuple[str, ...]] = {
    "core": (),
    "platform": ("wings", "store", "web", "jobs"),
    "ledger": (),
    "facts": (),
    "gateways": ("outbound", "patience", "connections", "objects", "wechat", "sms", "wecom"),
    "mall": ("settings", "operators", "files"),
    "customers": ("members", "events", "identity", "channels"),
    "commerce": ("catalogue", "coupons", "pricing", "cart", "orders", "reviews"),
    "growth": (
        "groupbuy", "distribution", "payouts", "segments", "messaging", "wecom", "journeys", "plans",
    ),
    "insight": ("reconciliation", "reports", "portraits"),
}  # fmt: skip
STOREYS = [
    f"{neighbourhood}.{wing}" if wing else neighbourhood
    for neighbourhood, wings in HOUSE.items()
    for wing in wings or ("",)
]
HEIGHT = {storey: height for height, storey in enumerate(STOREYS)}
#: Other people's servers do not know each other, nor what was sold.
APART = [("facts", "ledger"), ("gateways.sms", "gateways.wechat"), ("gateways.wecom", "gateways.wechat")]
OUTSIDE = ("local", "tests", "bench", "infra", "tools", "app")
#: Named by task: nobody looks for a rule or a command of the business in them.
FREE_NEIGHBOURHOODS = ("core", "platform", "gateways")
#: The file names of a wing, and of a subject's folder inside one. docs/architecture.md says what each is for.
ROOMS = (
    "rules", "inputs", "tables", "queries", "service", "views", "routes", "admin_routes", "callbacks", "jobs", "ports",
    "personal_data", "settings", "checks", "refusals",
)  # fmt: skip
#: Further names inside a subject's folder, each with its reason.
EXCEPTIONS = {
    "commerce.catalogue.stock.pools": "what orders and activities add to their transactions about pieces set aside",
    "commerce.catalogue.stock.shards": "where a popular SKU's pieces lie: reads, memory and moves of one mechanism",
    "commerce.coupons.codes.guesses": "wrong codes are counted beside the commands that redeem right ones",
    "commerce.coupons.issue.purchases": "what a purchase brings: a caller of issue/service.py, run as a job",
    "commerce.orders.refunds.issue": "what every refund does in the transaction that grants it, whoever grants",
    "commerce.orders.refunds.push": "a granted refund's way through WeChat: the only part that calls outside",
    "growth.groupbuy.lobbies.fates": "the end of one order: the lobby's end and the draw both come to it",
    "mall.operators.access.common_passwords": "a list that somebody else made, with its source and its licence",
    "mall.operators.access.guard": "what the HTTP edge asks: who an operator is, and whether they may",
    "mall.operators.access.passwords": "hashes of passwords, known to nobody else",
}
#: Pure by their name; any other module is held to it when its docstring says "Pure.".
PURE_ROOMS = ("rules", "checks", "inputs", "refusals")
#: What the pure may ask of the lower rooms: values and arithmetic, never an instant, an id or a document.
PURE_BELOW = (
    "core.money", "core.errors", "core.refusals", "core.difference", "core.shards", "core.spreadsheets",
    "core.text",
    "platform.web.types", "platform.web.problems",
)  # fmt: skip
PURE_ASKED = {
    "core.clock": ("SHANGHAI", "day", "from_stamp", "from_ms", "stamp", "unix"),
    "core.ids": ("derived", "digest", "shard"),
}
#: Outside of chalicelib the pure import these, and of the standard library whatever does not reach the world.
PURE_LIBRARIES = ("msgspec",)
WORLD = (
    "asyncio", "contextvars", "ctypes", "glob", "http", "importlib", "logging", "multiprocessing", "os", "pathlib",
    "pickle", "random", "secrets", "select", "shelve", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess",
    "sys", "tempfile", "threading", "time", "urllib", "uuid",
)  # fmt: skip
_STANDARD = frozenset(sys.stdlib_module_names)
#: Asked for elsewhere, they would make a run unrepeatable: the clock and the source of ids are in core.
AMBIENT = ("time", "random", "uuid")
AMBIENT_CALLS = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today")
LINES_MAX = 400
FUNCTION_LINES_MAX = 70


@dataclass(frozen=True)
class Module:
    """A module of chalicelib: its name without that, and its text."""

    name: str
    text: str

    @property
    def storey(self) -> str:
        """The wing that it belongs to, or the neighbourhood where that is one room."""
        neighbourhood, _, rest = self.name.partition(".")
        return f"{neighbourhood}.{rest.partition('.')[0]}" if HOUSE.get(neighbourhood) else neighbourhood

    @property
    def room(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def is_pure(self) -> bool:
        return self.room in PURE_ROOMS or claims_purity(self.text)


def claims_purity(text: str) -> bool:
    docstring = ast.get_docstring(ast.parse(text)) or ""
    return re.search(r"\bPure\b", docstring) is not None


def modules() -> list[Module]:
    house = ROOT / "chalicelib"
    return [
        Module(".".join(path.relative_to(house).with_suffix("").parts), path.read_text())
        for path in sorted(house.rglob("*.py"))
        if path.name != "__init__.py"
    ]


MODULES = {module.name: module for module in modules()}


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
    found = [] if module.storey in HEIGHT else [f"nobody knows on which storey {module.storey} lies"]
    found += _name_faults(module)
    found += [fault for name in imported(tree) for fault in _import_faults(module, name)]
    found += _purity_faults(module, tree) if module.is_pure else []
    found += _form_faults(module, tree)
    found += _ambient_faults(module, tree)
    found += _size_faults(module, tree)
    found += effect_faults(tree)
    return [f"{module.name}: {fault}" for fault in found]


def _name_faults(module: Module) -> Iterator[str]:
    neighbourhood, *parts = module.name.split(".")
    if neighbourhood in FREE_NEIGHBOURHOODS or neighbourhood not in HOUSE:
        return
    inside = parts[1:] if HOUSE[neighbourhood] else parts
    if len(inside) > 2:
        yield f"lies {len(inside)} folders deep: a wing has rooms, and subjects with rooms"
    if module.room in ROOMS or (module.name in EXCEPTIONS and len(inside) == 2):
        return
    yield f"{module.room}.py is no name of a room"


def _form_faults(module: Module, tree: ast.Module) -> Iterator[str]:
    """What belongs into one room is in no other: models in tables.py, registrations in app.py, and what is private."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and module.room != "tables":
            if any(ast.unparse(base).startswith(("Table", "GlobalSecondaryIndex")) for base in node.bases):
                yield f"line {node.lineno} has the model {node.name}: models are for tables.py"
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and module.room != "jobs":
            yield f"line {node.lineno} calls {ast.unparse(node.value.func)} as it is imported"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chalicelib"):
            yield from (f"imports the private {name.name}" for name in node.names if name.name.startswith("_"))


def _module_named(name: str) -> Module | None:
    """The module of chalicelib that an import names, by itself or by something in it."""
    below = name.removeprefix("chalicelib.")
    return MODULES.get(below) or MODULES.get(below.rpartition(".")[0])


def _import_faults(module: Module, name: str) -> Iterator[str]:
    if name.split(".")[0] in OUTSIDE:
        yield f"imports {name}, which is not deployed"
    if module.storey != "core" and name.split(".")[0] in AMBIENT:
        yield f"imports {name}: that is for core"
    if not name.startswith("chalicelib."):
        return
    target = Module(name.removeprefix("chalicelib."), "")
    if target.storey != module.storey:
        if HEIGHT.get(target.storey, len(HEIGHT)) > HEIGHT.get(module.storey, -1):
            yield f"imports {name}, which does not lie below"
        if tuple(sorted((target.storey, module.storey))) in APART:
            yield f"imports {name}: the two stand side by side"
    rooms = target.name.split(".")[-2:]
    if any(room.endswith("routes") or room == "callbacks" for room in rooms) and not module.room.endswith("routes"):
        yield f"imports {name}: routes are for app.py"


def _purity_faults(module: Module, tree: ast.Module) -> Iterator[str]:
    for name in imported(tree):
        top = name.split(".")[0]
        if top in WORLD:
            yield f"imports {name}: it is pure"
        elif top == "chalicelib":
            yield from _impure_import(name)
        elif top not in PURE_LIBRARIES and top not in ("__future__", *_STANDARD):
            yield f"imports {name}: it is pure"
    aliases = {name.rpartition(".")[2]: allowed for name, allowed in PURE_ASKED.items()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            allowed = aliases.get(node.value.id)
            if allowed is not None and node.attr not in allowed and _is_imported(tree, node.value.id):
                yield f"line {node.lineno} asks {node.value.id}.{node.attr}: it is pure"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("open", "print"):
            yield f"line {node.lineno} calls {node.func.id}: it is pure"


def _impure_import(name: str) -> Iterator[str]:
    below = name.removeprefix("chalicelib.")
    for asked, allowed in PURE_ASKED.items():
        if below == asked or (below.startswith(asked + ".") and below.rpartition(".")[2] in allowed):
            return
    if below in PURE_BELOW or below.rpartition(".")[0] in PURE_BELOW:
        return
    target = _module_named(name)
    if target is None or not target.is_pure:
        yield f"imports {name}: it is pure"


def _is_imported(tree: ast.Module, local: str) -> bool:
    return f"chalicelib.core.{local}" in imported(tree)


def _ambient_faults(module: Module, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        text = ast.unparse(node)
        if text in ("os.environ", "os.getenv") and module.name != "core.settings":
            yield f"line {node.lineno} reads the environment: core.settings does"
        if module.storey != "core" and text.endswith(AMBIENT_CALLS):
            yield f"line {node.lineno} asks {text}: core.clock does"
    scans = [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Constant) and node.value == "Scan")
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "scan")
    ]
    if scans and module.name != "platform.store.tools":
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


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: path.stem)
def test_tests_stay_small_too(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES_MAX


def test_app_names_the_wings_from_the_ground_up() -> None:
    from app import WINGS

    built = {module.storey for module in MODULES.values()} - {"core", "platform.wings", "platform.store"}
    assert list(WINGS) == [storey for storey in STOREYS if storey in built and not storey.startswith("gateways.")]


def test_a_package_is_a_docstring_and_nothing_else() -> None:
    for path in (ROOT / "chalicelib").rglob("__init__.py"):
        body = ast.parse(path.read_text()).body
        assert len(body) <= 1 and all(isinstance(node, ast.Expr) for node in body), path


def test_no_import_goes_in_a_circle() -> None:
    graph = {
        module.name: {found.name for name in _imported_at_the_top(module) if (found := _module_named(name)) is not None}
        for module in MODULES.values()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def _imported_at_the_top(module: Module) -> Iterator[str]:
    tree = ast.parse(module.text)
    return imported(ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], []))


def test_every_exception_has_a_reason_and_is_there() -> None:
    assert set(EXCEPTIONS) <= set(MODULES)
    assert all(len(reason) > 20 for reason in EXCEPTIONS.values())


def test_rules_say_that_they_are_pure() -> None:
    assert [name for name, module in MODULES.items() if module.room == "rules" and not claims_purity(module.text)] == []


PURE = '"""What holds. Pure."""\n'
PLANTED = {
    "imports app.app": Module("core.ids", "from app import app"),
    "imports local.mall": Module("commerce.orders.service", "def f():\n    import local.mall"),
    "imports tools.audit": Module("commerce.orders.service", "from tools import audit"),
    "imports chalicelib.commerce.orders.service, which does not lie below": Module(
        "commerce.cart.service", "import chalicelib.commerce.orders.service"
    ),
    "imports chalicelib.growth.groupbuy.rules.Lobby, which does not lie below": Module(
        "commerce.orders.service", "from chalicelib.growth.groupbuy.rules import Lobby"
    ),
    "imports chalicelib.growth.payouts.rules.Withdrawal, which does not lie below": Module(
        "growth.distribution.service", "from chalicelib.growth.payouts.rules import Withdrawal"
    ),
    "imports chalicelib.commerce.orders.rules, which does not lie below": Module(
        "ledger.service", "from chalicelib.commerce.orders import rules"
    ),
    "imports chalicelib.platform.jobs.queue, which does not lie below": Module(
        "platform.store.read", "from chalicelib.platform.jobs import queue"
    ),
    "imports chalicelib.ledger.rules: the two stand side by side": Module(
        "facts.service", "from chalicelib.ledger import rules"
    ),
    "imports chalicelib.commerce.cart.routes: routes are for app.py": Module(
        "commerce.orders.service", "from chalicelib.commerce.cart import routes"
    ),
    "imports chalicelib.growth.payouts.callbacks.settle: routes are for app.py": Module(
        "growth.payouts.service", "from chalicelib.growth.payouts.callbacks import settle"
    ),
    "helpers.py is no name of a room": Module("commerce.orders.helpers", ""),
    "refund_rules.py is no name of a room": Module("commerce.orders.refund_rules", ""),
    "push.py is no name of a room": Module("commerce.cart.refunds.push", ""),
    "books.py is no name of a room": Module("ledger.books", ""),
    "lies 3 folders deep": Module("commerce.orders.refunds.push.rules", PURE),
    "line 1 has the model Carts: models are for tables.py": Module("commerce.cart.service", "class Carts(Table): pass"),
    "line 2 calls register_groups as it is imported": Module(
        "growth.groupbuy.service", "from chalicelib.commerce.orders.ports import register_groups\nregister_groups(1)"
    ),
    "imports the private _order": Module(
        "commerce.orders.views", "from chalicelib.commerce.orders.queries import _order"
    ),
    "imports chalicelib.commerce.orders.tables.Orders: it is pure": Module(
        "commerce.orders.rules", "from chalicelib.commerce.orders.tables import Orders"
    ),
    "imports chalicelib.platform.store.read: it is pure": Module(
        "commerce.orders.refunds.rules", "from chalicelib.platform.store import read"
    ),
    "imports chalicelib.commerce.orders.queries.find: it is pure": Module(
        "commerce.orders.checks", "from chalicelib.commerce.orders.queries import find"
    ),
    "imports requests: it is pure": Module("commerce.orders.rules", "import requests"),
    "imports pathlib.Path: it is pure": Module("commerce.coupons.codes.rules", "from pathlib import Path"),
    "imports socket: it is pure": Module("gateways.wechat.signature", f"{PURE}import socket"),
    "line 2 asks clock.now: it is pure": Module(
        "commerce.orders.rules", "from chalicelib.core import clock\nclock.now()"
    ),
    "imports chalicelib.core.ids.new: it is pure": Module(
        "commerce.orders.rules", "from chalicelib.core.ids import new"
    ),
    "line 1 calls open: it is pure": Module("commerce.orders.rules", "open('file')"),
    "imports random: that is for core": Module("commerce.orders.service", "import random"),
    "imports time.time: that is for core": Module("commerce.orders.service", "from time import time"),
    "line 2 reads the environment: core.settings does": Module("core.log", "import os\nos.environ['A']"),
    "line 2 asks datetime.now: core.clock does": Module(
        "platform.web.edge", "from datetime import datetime\ndatetime.now()"
    ),
    "line 1 scans a table": Module("commerce.orders.views", "call('Scan', {})"),
    "line 1 scans": Module("commerce.orders.views", "Orders.scan()"),
    "has 401 lines": Module("commerce.orders.views", "\n" * 401),
    "f has 71 lines": Module("commerce.orders.views", "def f():\n" + "    pass\n" * 70),
    "nobody knows on which storey attic lies": Module("attic.rules", ""),
    "nobody knows on which storey growth.attic lies": Module("growth.attic.rules", ""),
}


@pytest.mark.parametrize("fault", list(PLANTED))
def test_a_planted_violation_is_found(fault: str) -> None:
    assert any(fault in found for found in violations(PLANTED[fault])), violations(PLANTED[fault])


def test_what_is_allowed_is_not_found() -> None:
    allowed = (
        "import re\nfrom chalicelib.platform.web.types import Fen\n"
        "from chalicelib.customers.members.rules import Address\n"
        "from chalicelib.core import clock\nTODAY = clock.day(1)\n"
    )
    assert violations(Module("commerce.orders.rules", allowed)) == []
    assert violations(Module("gateways.wechat.anything", "import requests")) == []
