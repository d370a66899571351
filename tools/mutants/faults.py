"""The faults that are planted: for a node of a function's body, what may stand there instead. Pure.

Left alone are texts, docstrings, assertions, `strict=`, annotations and defaults: a test of those would only say them
once more.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import msgspec

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
_OTHER_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}
_CLAMPS = ("min", "max")
#: A few words, and what stands there instead.
_Fault = tuple[str, ast.AST]


class Mutant(msgspec.Struct, frozen=True):
    """A fault in a module: at this line, the node of this number in `ast.walk`, its fault of this number."""

    path: str
    line: int
    what: str
    node: int
    fault: int


def mutants_of(path: str, source: str) -> list[Mutant]:
    """List every fault that can be planted in the bodies of a module's functions."""
    tree = ast.parse(source)
    inside = {id(node) for function in _functions(tree) for node in _body(function)}
    return [
        Mutant(path, _line(node), what, number, fault)
        for number, node in enumerate(ast.walk(tree))
        if id(node) in inside
        for fault, (what, _) in enumerate(_faults(node))
    ]


def _line(node: ast.AST) -> int:
    """The line of a node; of a comprehension's `for`, which has none of its own, that of its target."""
    return getattr(node.target if isinstance(node, ast.comprehension) else node, "lineno", 0)


def planted(source: str, mutant: Mutant) -> ast.Module:
    """Make the module with the fault in it, ready to be compiled."""
    tree = ast.parse(source)
    node = next(node for number, node in enumerate(ast.walk(tree)) if number == mutant.node)
    _, instead = list(_faults(node))[mutant.fault]
    _Swap(node, instead).visit(tree)
    return ast.fix_missing_locations(tree)


class _Swap(ast.NodeTransformer):
    def __init__(self, node: ast.AST, instead: ast.AST) -> None:
        self._node, self._instead = node, ast.copy_location(instead, node)

    def visit(self, node: ast.AST) -> ast.AST:
        return self._instead if node is self._node else self.generic_visit(node)


def _functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """Functions and methods that stand in the module or a class of it; those within them are part of their bodies."""
    tops = [*tree.body, *(each for top in tree.body if isinstance(top, ast.ClassDef) for each in top.body)]
    return [each for each in tops if isinstance(each, ast.FunctionDef)]


def _body(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function in which faults are planted."""
    waiting: list[ast.AST] = [each for each in function.body if not _is_text(each)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Assert | ast.JoinedStr) or (isinstance(node, ast.keyword) and node.arg == "strict"):
            continue
        yield node
        waiting += [each for each in ast.iter_child_nodes(node) if not _is_annotation(node, each)]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_annotation(parent: ast.AST, node: ast.AST) -> bool:
    return isinstance(parent, ast.AnnAssign) and node is parent.annotation


def _faults(node: ast.AST) -> Iterator[_Fault]:
    """What may stand in the node's place, each with a few words on it."""
    for kind, make in _MAKERS:
        if isinstance(node, kind):
            yield from make(node)


def _compare(node: ast.Compare) -> Iterator[_Fault]:
    for position, operator in enumerate(node.ops):
        for other in _COMPARISONS[type(operator)]:
            operators = [*node.ops[:position], other(), *node.ops[position + 1 :]]
            yield f"{type(operator).__name__} -> {other.__name__}", ast.Compare(node.left, operators, node.comparators)


def _arithmetic(node: ast.BinOp) -> Iterator[_Fault]:
    other = _OPERATORS.get(type(node.op))
    if other is not None:
        yield f"{type(node.op).__name__} -> {other.__name__}", ast.BinOp(node.left, other(), node.right)
    if isinstance(node.op, ast.Add | ast.Sub):
        yield "right term dropped", node.left
    if isinstance(node.op, ast.Add):
        yield "left term dropped", node.right
    if isinstance(node.op, ast.FloorDiv):
        raised = ast.BinOp(ast.UnaryOp(ast.USub(), node.left), ast.FloorDiv(), node.right)
        yield "rounded up", ast.UnaryOp(ast.USub(), raised)


def _boolean(node: ast.BoolOp) -> Iterator[_Fault]:
    other = ast.Or if isinstance(node.op, ast.And) else ast.And
    yield f"{type(node.op).__name__} -> {other.__name__}", ast.BoolOp(other(), node.values)
    for position in range(len(node.values)):
        rest = node.values[:position] + node.values[position + 1 :]
        yield f"operand {position + 1} dropped", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def _unary(node: ast.UnaryOp) -> Iterator[_Fault]:
    if isinstance(node.op, ast.Not | ast.USub):
        yield f"{type(node.op).__name__} dropped", node.operand


def _constant(node: ast.Constant) -> Iterator[_Fault]:
    if isinstance(node.value, bool):
        yield f"{node.value} -> {not node.value}", ast.Constant(not node.value)
    elif isinstance(node.value, int):
        for other in (node.value + 1, node.value - 1):
            yield f"{node.value} -> {other}", ast.Constant(other)


def _call(node: ast.Call) -> Iterator[_Fault]:
    if not isinstance(node.func, ast.Name):
        return
    name = node.func.id
    if name in _CLAMPS and len(node.args) == 2 and not node.keywords:
        for position, argument in enumerate(node.args):
            if not isinstance(argument, ast.Constant):
                yield f"{name}(...) -> its argument {position + 1}", argument
    if name in _OTHER_CALLS:
        keywords = [] if name == "sorted" else node.keywords
        other = _OTHER_CALLS[name]
        yield f"{name} -> {other}", ast.Call(ast.Name(other, ast.Load()), node.args, keywords)


def _return(node: ast.Return) -> Iterator[_Fault]:
    if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield "return None", ast.Return(ast.Constant(None))


def _if(node: ast.If) -> Iterator[_Fault]:
    yield "if negated", ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    if not node.orelse and isinstance(node.body[-1], ast.Return | ast.Raise | ast.Continue):
        yield "guard removed", ast.Pass()


def _if_expression(node: ast.IfExp) -> Iterator[_Fault]:
    yield "if negated", ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)


def _comprehension(node: ast.comprehension) -> Iterator[_Fault]:
    for position, test in enumerate(node.ifs):
        before, after = node.ifs[:position], node.ifs[position + 1 :]
        negated = [*before, ast.UnaryOp(ast.Not(), test), *after]
        yield "if of comprehension negated", ast.comprehension(node.target, node.iter, negated, node.is_async)
        yield "if of comprehension dropped", ast.comprehension(node.target, node.iter, before + after, node.is_async)


def _raise(_: ast.Raise) -> Iterator[_Fault]:
    yield "raise removed", ast.Pass()


def _statement(node: ast.Expr | ast.AugAssign) -> Iterator[_Fault]:
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Yield | ast.YieldFrom | ast.Constant):
        yield "statement removed", ast.Pass()
    if isinstance(node, ast.AugAssign) and type(node.op) in _OPERATORS:
        other = _OPERATORS[type(node.op)]
        yield f"{type(node.op).__name__} -> {other.__name__}", ast.AugAssign(node.target, other(), node.value)


_MAKERS: tuple[tuple[type[ast.AST] | tuple[type[ast.AST], ...], Callable[..., Iterator[_Fault]]], ...] = (
    (ast.Compare, _compare),
    (ast.BinOp, _arithmetic),
    (ast.BoolOp, _boolean),
    (ast.UnaryOp, _unary),
    (ast.Constant, _constant),
    (ast.Call, _call),
    (ast.Return, _return),
    (ast.If, _if),
    (ast.IfExp, _if_expression),
    (ast.comprehension, _comprehension),
    (ast.Raise, _raise),
    ((ast.Expr, ast.AugAssign), _statement),
)


def described(source: str, mutant: Mutant) -> str:
    """Tell a mutant in a line: where it is, what was done, and the line as it was."""
    line = source.splitlines()[mutant.line - 1].strip() if mutant.line else ""
    return f"{mutant.path}:{mutant.line}  {mutant.what}   | {line}"
