"""The one way in which a state changes: read it, decide, commit once under its version; again if another was quicker.

    def pause(template_id: str) -> Template:
        return versioned.change(lambda: find(template_id), lambda before, tx: replace(before, state="paused"), write)

`find` gives a Versioned; `decide` gives the value after it (the same one: there is nothing to change) and adds to the
transaction what goes with it; `write` adds the item under the version that was read (`on_failure` is Conflict).
What `decide` and `write` do may be done again, so nothing of it may be seen before the commit: no metric, no log line,
no transaction of its own. `tx.after_commit` is for those.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
from pynamodb.expressions.condition import Condition

from chalicelib.core.errors import MallError
from chalicelib.platform.store.base import Table
from chalicelib.platform.store.transaction import ConditionFailed, Transaction

_T = TypeVar("_T")

#: How often a use case looks again before its caller is told to.
TRIES = 4
#: The same, where many change one item at once.
TRIES_CROWDED = 12


class Conflict(Exception):
    """Another writer was quicker: what was decided is decided anew, from what there is now."""


class Created(Exception):
    """What was to be created is there: the same request made it before. No condition beside it matters then."""


class Versioned(msgspec.Struct, Generic[_T], frozen=True):
    """What was read, and the version under which that holds."""

    value: _T
    version: int


def as_read(item: Table, *names: str) -> Condition:
    """Hold that these numbers of an item are as they were read: counters, which change without its version."""
    conditions: list[Condition] = []
    for name in names:
        attribute, value = getattr(type(item), name), getattr(item, name)
        conditions.append(attribute.does_not_exist() if value is None else attribute == int(value))
    return functools.reduce(operator.and_, conditions)


def commit(tx: Transaction) -> None:
    """Commit, and raise what it means when conditions did not hold.

    `on_failure` of an action is Conflict (or nothing) where to look again, a MallError where that is the answer, or
    anything else (LeaseLost) where the whole attempt is void: then ConditionFailed itself is raised. What is void
    comes before what has changed, and that before a refusal, which may be due to it. Of what an Idempotency-Key stands
    for it is Created: before all others `conflict` is raised, at which `create_once` looks for it.
    """
    try:
        tx.commit()
    except ConditionFailed as fault:
        if Created in fault.failed:
            raise MallError("conflict") from fault
        refusals = [reason for reason in fault.failed if isinstance(reason, MallError)]
        if any(reason not in (None, Conflict, *refusals) for reason in fault.failed):
            raise
        if not refusals or Conflict in fault.failed or None in fault.failed:
            raise Conflict from fault
        raise refusals[0] from fault


def retry(work: Callable[[], _T], tries: int = TRIES) -> _T:
    """Do a use case, and again when it raises Conflict. Raises `conflict` when others were quicker each time."""
    for _ in range(tries - 1):
        try:
            return work()
        except Conflict:
            continue
    try:
        return work()
    except Conflict as fault:
        raise MallError("conflict") from fault


def change(
    find: Callable[[], Versioned[_T]],
    decide: Callable[[_T, Transaction], _T],
    write: Callable[[Transaction, Versioned[_T], _T], None],
    *,
    found: Versioned[_T] | None = None,
    tries: int = TRIES,
) -> _T:
    """Change what `find` reads to what `decide` makes of it, in one transaction; the value after it.

    `write` adds the item to the transaction: it is given what was read, and the value after it. `found` is where the
    caller has just read it: it saves the first read, and a stale one is read again. Raises what `find`, `decide` and
    `commit` raise, and `conflict`.
    """
    known = [found] if found is not None else []

    def once() -> _T:
        before = known.pop() if known else find()
        tx = Transaction()
        after = decide(before.value, tx)
        if after is not before.value:
            write(tx, before, after)
            commit(tx)
        return after

    return retry(once, tries)


def create_once(
    create: Callable[[], _T], find: Callable[[], _T | None], is_same: Callable[[_T], bool], tries: int = TRIES
) -> _T:
    """Create what an Idempotency-Key stands for, or give what it has created before.

    `create` commits it; where its own reads meet what was created before, it returns that. `find` looks for it when
    `create` refuses: the same request, sent twice at once, may have taken just what this one was refused. `is_same`
    says whether it was created by the same request. Raises `idempotency_key_reused` when it was not, `conflict`, and
    what `create` raises.
    """
    try:
        made = retry(create, tries)
    except MallError:
        found = find()
        if found is None:
            raise
        made = found
    if not is_same(made):
        raise MallError("idempotency_key_reused")
    return made
