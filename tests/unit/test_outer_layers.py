"""What stands around chalicelib is in layers too: what runs a mall knows no tool, and neither knows a test."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.unit.test_layers import ROOT, Module, imported

#: What the modules of a folder may not import, at the top or within a function, for types or by a name in a string (a
#: command is told as one: `python -m local.worker`, and so is what importlib brings in).
BANNED = {
    "local": ("tools", "tests", "bench"),
    "tools": ("tests", "bench"),
    "bench": ("tests",),
}
#: Named all the same, each for a reason.
ALLOWED = {
    ("local.demo.play", "tools.audit"),  # the play ends as an operator would: with the command, in a process of its own
}
_NAME_OF_A_MODULE = re.compile(r"(?:bench|local|tests|tools)(?:\.\w+)+")


def modules() -> list[Module]:
    """Every module of the folders, packages included, under its full name."""
    files = [path for folder in BANNED for path in sorted((ROOT / folder).rglob("*.py"))]
    return [Module(_name(path.relative_to(ROOT).with_suffix("").parts), path.read_text()) for path in files]


def _name(parts: tuple[str, ...]) -> str:
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def named(tree: ast.Module) -> Iterator[str]:
    """What is imported, and what else a string names as a module."""
    yield from imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _NAME_OF_A_MODULE.fullmatch(node.value):
            yield node.value


def violations(module: Module) -> list[str]:
    """Every import of the module that its folder does not allow."""
    found = dict.fromkeys(named(ast.parse(module.text)))
    banned = [name for name in found if name.split(".")[0] in BANNED[module.name.split(".")[0]]]
    return [f"{module.name} names {name}" for name in banned if (module.name, name) not in ALLOWED]


def circle(house: list[Module]) -> list[str]:
    """Modules each of which imports the next, the first one again at the end; empty where there are none."""
    names = {module.name for module in house}
    graph = {module.name: set(_known(imported(ast.parse(module.text)), names)) for module in house}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as fault:
        found: list[str] = fault.args[1]
        return found[::-1]
    return []


def _known(imports: Iterator[str], names: set[str]) -> Iterator[str]:
    """The modules among what is imported: `local.mall.Mall` is of local.mall."""
    for name in imports:
        if (known := name if name in names else name.rpartition(".")[0]) in names:
            yield known


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_a_folder_knows_only_those_that_it_may(module: Module) -> None:
    assert violations(module) == []


@pytest.mark.parametrize("folder", BANNED)
def test_no_import_goes_in_a_circle(folder: str) -> None:
    assert circle([module for module in modules() if module.name.split(".")[0] == folder]) == []


def test_no_import_goes_in_a_circle_through_several_folders() -> None:
    assert circle(modules()) == []


def test_what_is_allowed_is_needed() -> None:
    texts = {module.name: module.text for module in modules()}
    assert [(name, what) for name, what in ALLOWED if what not in named(ast.parse(texts[name]))] == []


PLANTED = {
    "local.mall names tools.audit.read": Module("local.mall", "from tools.audit import read"),
    "local.mall names tools": Module("local.mall", "def f():\n    import tools"),
    "local.worker names tests.support.jobs": Module("local.worker", "from tests.support import jobs"),
    "local.clock names bench.rush": Module("local.clock", "if TYPE_CHECKING:\n    import bench.rush"),
    "local.up names tools.audit": Module("local.up", "mall.run('tools.audit')"),
    "tools.audit names tests.support.book": Module("tools.audit", "from tests.support import book"),
    "tools.drill names bench.stories": Module("tools.drill", "from bench import stories"),
    "bench.run names tests.support.client": Module("bench.run", "importlib.import_module('tests.support.client')"),
    "bench.rush names tests.support.jobs.forget_all": Module("bench.rush", "from tests.support.jobs import forget_all"),
}


@pytest.mark.parametrize("fault", list(PLANTED))
def test_a_planted_import_is_found(fault: str) -> None:
    assert violations(PLANTED[fault]) == [fault]


def test_a_planted_circle_is_found() -> None:
    a = Module("local.demo.stage", "from local.demo.play import play")
    b = Module("local.demo.play", "from local.demo import coupons")
    c = Module("local.demo.coupons", "if TYPE_CHECKING:\n    from local.demo.stage import Demo")
    found = circle([a, b, c])
    assert found[0] == found[-1]
    assert sorted(found[1:]) == ["local.demo.coupons", "local.demo.play", "local.demo.stage"]
    assert circle([a, b]) == []
    assert circle([Module("local.mall", "import local.mall")]) == ["local.mall", "local.mall"]


def test_what_is_allowed_is_not_found() -> None:
    lower = (
        "from chalicelib.platform.store import tools\nfrom local.mall import Mall\nmall.run('local.tables')\n'tests'\n"
    )
    assert violations(Module("tools.audit", lower)) == []
    assert violations(Module("bench.run", lower)) == []
    assert violations(Module("local.up", lower)) == []
