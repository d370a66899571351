"""Finds effects inside what may be done again: a decision that another writer's commit has decided anew must leave no
trace but the one in its transaction.

Whatever function is passed to `change`, `retry`, `create_once` or `edit`, or to a function of the module that passes it
on to one of these, and whatever of the module it refers to in turn: it may call nothing of `metrics` and of `log`; and
where it is given a transaction, it begins none of its own. What is passed to `after_commit` is done once.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

Function = ast.FunctionDef | ast.Lambda
#: By these names what may be done again is called, in whichever module they stand.
RETRIERS = ("change", "retry", "create_once", "edit")
EFFECTS = ("metrics", "log")
OWN_TRANSACTIONS = ("commit", *RETRIERS)


def effect_faults(tree: ast.Module) -> list[str]:
    """Every effect in what may be done again, with its line."""
    house = _House(tree)
    faults = {fault for retried, has_tx in house.retried() for fault in house.faults(retried, has_tx, set())}
    return [text for _, text in sorted(faults)]


class _House:
    """The functions of a module: where each stands, and what a name means there."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        #: Functions that pass on what they are passed, so that it may be done again: by which parameters.
        self.thin: dict[ast.FunctionDef, set[str]] = {}
        while self._find_thin():
            pass

    def _passed(self) -> Iterator[tuple[ast.Call, ast.expr]]:
        """Everything that is passed to a function which may do it again, with the call."""
        for call in (node for node in ast.walk(self.tree) if isinstance(node, ast.Call)):
            target = self.resolve(call.func)
            if _called(call) in RETRIERS:
                yield from ((call, value) for _, value in _arguments(call, None))
            elif isinstance(target, ast.FunctionDef) and target in self.thin:
                yield from ((call, value) for name, value in _arguments(call, target) if name in self.thin[target])

    def _find_thin(self) -> bool:
        """Look for functions that pass a parameter on; whether there were more of them than before."""
        before = sum(map(len, self.thin.values()))
        for call, value in list(self._passed()):
            names = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
            for scope in self._scopes(call):
                if isinstance(scope, ast.FunctionDef):
                    passed_on = {one.arg for one in _parameters(scope)} & names
                    self.thin.setdefault(scope, set()).update(passed_on)
        return sum(map(len, self.thin.values())) > before

    def retried(self) -> Iterator[tuple[Function, bool]]:
        """Every function that may be done again, and whether it is given a transaction."""
        for call, value in self._passed():
            meant = value.args[0] if isinstance(value, ast.Call) and _called(value) == "partial" else value
            function = meant if isinstance(meant, ast.Lambda) else self.resolve(meant)
            if function is not None:
                yield function, _has_tx(function, _called(call))

    def faults(self, function: Function, has_tx: bool, seen: set[Function]) -> Iterator[tuple[int, str]]:
        """What the function, and what of the module it refers to, does that may be seen before the commit."""
        if function in seen:
            return
        seen.add(function)
        for node in _done(function):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                line = f"line {node.lineno} calls {called}"
                if called.partition(".")[0] in EFFECTS and "." in called:
                    yield node.lineno, f"{line} in what may be done again"
                elif has_tx and _called(node) in OWN_TRANSACTIONS and not self._is_given(node.func):
                    yield node.lineno, f"{line} in a decision that has its transaction"
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                target = self.resolve(node)
                if target is not None:
                    yield from self.faults(target, has_tx, seen)

    def resolve(self, node: ast.expr) -> Function | None:
        """The function of this module that is meant, or None: a name, or a method of the class by `self` or `cls`."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
            for scope in self._scopes(node):
                if isinstance(scope, ast.ClassDef):
                    return _defined(scope, node.attr)
        if isinstance(node, ast.Name):
            for scope in self._scopes(node):
                if isinstance(scope, Function) and any(one.arg == node.id for one in _parameters(scope)):
                    return None
                found = _defined(scope, node.id) if isinstance(scope, ast.FunctionDef | ast.Module) else None
                if found is not None:
                    return found
        return None

    def _is_given(self, node: ast.expr) -> bool:
        """Whether that is a parameter: what is called is then whatever the caller wants, under a name like another."""
        return isinstance(node, ast.Name) and any(
            one.arg == node.id
            for scope in self._scopes(node)
            if isinstance(scope, Function)
            for one in _parameters(scope)
        )

    def _scopes(self, node: ast.AST) -> Iterator[ast.AST]:
        """What the node stands in, from the inside out."""
        while (parent := self.parents.get(node)) is not None:
            if isinstance(parent, ast.FunctionDef | ast.Lambda | ast.ClassDef | ast.Module):
                yield parent
            node = parent


def _called(call: ast.Call) -> str:
    """The last name of what is called."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _arguments(call: ast.Call, target: ast.FunctionDef | None) -> Iterator[tuple[str, ast.expr]]:
    """What is passed, by the names of the parameters of `target`, where that is known."""
    names = [one.arg for one in _parameters(target)] if target is not None else []
    if names[:1] in (["self"], ["cls"]):
        del names[0]
    yield from zip([*names, *[""] * len(call.args)], call.args, strict=False)
    yield from ((keyword.arg or "", keyword.value) for keyword in call.keywords)


def _parameters(function: Function) -> list[ast.arg]:
    signature = function.args
    return [*signature.posonlyargs, *signature.args, *signature.kwonlyargs]


def _has_tx(function: Function, called: str) -> bool:
    """Whether a transaction is among what it is given; a lambda of two that is passed to `change` does not name it."""
    parameters = _parameters(function)
    named = any(one.arg == "tx" or "Transaction" in ast.unparse(one.annotation or one) for one in parameters)
    return named or (isinstance(function, ast.Lambda) and called == "change" and len(parameters) == 2)


def _done(function: Function) -> Iterator[ast.AST]:
    """Every node of what the function does, but for what it has done after the commit."""
    waiting: list[ast.AST] = list(function.body) if isinstance(function, ast.FunctionDef) else [function.body]
    while waiting:
        node = waiting.pop()
        yield node
        if not (isinstance(node, ast.Call) and _called(node) == "after_commit"):
            waiting.extend(ast.iter_child_nodes(node))


def _defined(scope: ast.FunctionDef | ast.Module | ast.ClassDef, name: str) -> Function | None:
    """The function of that name that is defined right in this scope."""
    waiting: list[ast.AST] = list(scope.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef):
            if node.name == name:
                return node
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            if any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
                return node.value
        elif not isinstance(node, ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))
    return None
