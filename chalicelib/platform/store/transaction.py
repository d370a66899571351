"""One state change, one transaction: put, update, delete and check, each under its condition, committed once."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast

from botocore.exceptions import ClientError
from pynamodb.constants import KEY
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.core import clock, ids, log, metrics
from chalicelib.core.errors import unavailable
from chalicelib.core.metrics import Metric
from chalicelib.platform.store.base import Table, call, hash_key, range_key

_CONFLICT_TRIES = 6
_CONFLICT_WAIT_SECONDS = 0.05
_THROTTLES = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded"})

#: DynamoDB's limit on the actions of one transaction.
ACTIONS_MAX = 100


class ConditionFailed(Exception):
    """Nothing was written, because conditions did not hold: `failed` has the `on_failure` of each, in call order."""

    def __init__(self, failed: Sequence[object]) -> None:
        super().__init__(*failed)
        self.failed = tuple(failed)


class Shared(Protocol):
    """What several parts of one change contribute to, and what is written once for all of them."""

    def add_to(self, tx: Transaction) -> None:
        """Add what was contributed to the transaction, which is about to be committed."""


_S = TypeVar("_S", bound=Shared)


class Transaction:
    """Collects actions on distinct items and commits all or nothing.

    Each action carries `on_failure`: what it means when its condition does not hold. PynamoDB's own
    transaction regroups the actions, so that the reasons of a refusal no longer say which item they belong to.
    """

    def __init__(self) -> None:
        self._actions: list[dict[str, dict[str, Any]]] = []
        self._places: set[tuple[str, ...]] = set()
        self._on_failure: list[object] = []
        self._effects: list[Callable[[], object]] = []
        self._shared: dict[tuple[str, ...], Shared] = {}

    def __len__(self) -> int:
        return len(self._actions)

    def put(self, item: Table, condition: Condition | None = None, on_failure: object = None) -> None:
        """Write the whole item."""
        arguments = item.get_save_kwargs_from_instance(condition=condition)
        arguments.pop("ReturnConsumedCapacity", None)
        keys = (hash_key(type(item)), range_key(type(item)))
        self._add(
            "Put", arguments, on_failure, {key.attr_name: arguments["Item"][key.attr_name] for key in keys if key}
        )

    def create(self, item: Table, on_failure: object = None) -> None:
        """Write the whole item, which must not be there yet."""
        self.put(item, hash_key(type(item)).does_not_exist(), on_failure)

    def update(
        self,
        table: type[Table],
        key: tuple[str, ...],
        actions: Sequence[Action],
        condition: Condition | None = None,
        on_failure: object = None,
    ) -> None:
        """Change attributes of the item at `key` (hash key, and range key if the table has one)."""
        self._add("Update", _arguments(table, key, actions=list(actions), condition=condition), on_failure)

    def delete(
        self, table: type[Table], key: tuple[str, ...], condition: Condition | None = None, on_failure: object = None
    ) -> None:
        """Remove the item at `key`."""
        self._add("Delete", _arguments(table, key, condition=condition), on_failure)

    def check(self, table: type[Table], key: tuple[str, ...], condition: Condition, on_failure: object = None) -> None:
        """Commit only while the condition holds for the item at `key`."""
        self._add("ConditionCheck", _arguments(table, key, condition=condition), on_failure)

    def concerns(self, table: type[Table], key: tuple[str, ...]) -> bool:
        """Say whether an action is on the item at `key` already: a transaction has one on each at most."""
        return _place(table.Meta.table_name, _arguments(table, key)["Key"]) in self._places

    def after_commit(self, effect: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Have this done when everything is written, and not when it is not: a metric, a log line, a memory to forget.

        What decides may be called again when another writer was quicker; so nothing that it does itself may be seen.
        """
        self._effects.append(functools.partial(effect, *args, **kwargs))

    def together(self, key: tuple[str, ...], make: Callable[[], _S]) -> _S:
        """Give the one object of this key by which several parts of the change contribute to one item; `make` makes it
        where nobody has asked for it yet.

        Its `add_to` is called once, as the transaction is committed, in the order in which they were asked for first;
        what it adds is not counted before that.
        """
        if key not in self._shared:
            self._shared[key] = make()
        return cast("_S", self._shared[key])

    def commit(self) -> None:
        """Write everything or nothing, then do what was asked for after it.

        Raises ConditionFailed when conditions did not hold, what a shared part raises as it adds its own, and
        `unavailable` when DynamoDB could not be asked or its answer was lost: then it may have been written, and the
        caller's repetition must find that out.
        """
        gathered = bool(self._shared)
        while self._shared:
            self._shared.pop(next(iter(self._shared))).add_to(self)
        if gathered and not self._actions:
            return  # what was contributed changes nothing
        if not 0 < len(self._actions) <= ACTIONS_MAX:
            raise ValueError(f"a transaction has 1 to {ACTIONS_MAX} actions, not {len(self._actions)}")
        for attempt in range(_CONFLICT_TRIES):
            try:
                # The token makes the client's own repetition after a time-out harmless (for 10 minutes).
                call("TransactWriteItems", {"TransactItems": self._actions, "ClientRequestToken": ids.new("")})
                break
            except ClientError as fault:
                if fault.response["Error"]["Code"] != "TransactionCanceledException":
                    raise
                self._refused([reason.get("Code", "None") for reason in fault.response["CancellationReasons"]])
            clock.sleep(ids.jitter(_CONFLICT_WAIT_SECONDS * 2**attempt))
        else:
            log.warning("transaction_conflict", actions=len(self._actions))
            raise unavailable(1)
        for effect in self._effects:
            effect()

    def _refused(self, codes: list[str]) -> None:
        """Raise what the reasons mean; return when the same transaction may be tried again.

        That is also where conditions did not hold: of an item that another transaction has, or that was throttled,
        nobody looked at the condition, and what it means may come before what the others do.
        """
        strange = set(codes) - _THROTTLES - {"TransactionConflict", "ConditionalCheckFailed", "None"}
        if strange:
            raise RuntimeError(f"DynamoDB refused a transaction: {sorted(strange)}")
        if not _THROTTLES.isdisjoint(codes):
            log.warning("dynamodb_busy", operation="TransactWriteItems", reason="ThrottlingError")
            metrics.add(Metric.DYNAMODB_BUSY)
        if set(codes) <= {"ConditionalCheckFailed", "None"}:
            raise ConditionFailed(
                [self._on_failure[index] for index, code in enumerate(codes) if code == "ConditionalCheckFailed"]
            )

    def _add(self, kind: str, arguments: dict[str, Any], on_failure: object, key: dict[str, Any] | None = None) -> None:
        place = _place(arguments["TableName"], key or arguments["Key"])
        if place in self._places:  # DynamoDB refuses it, for whatever reason that would then be guessed at
            raise ValueError(f"a transaction changes an item of {place[0]} twice")
        self._places.add(place)
        self._actions.append({kind: arguments})
        self._on_failure.append(on_failure)


def _place(table_name: str, key: dict[str, Any]) -> tuple[str, ...]:
    return table_name, *(value["S"] for _, value in sorted(key.items()))


def _arguments(table: type[Table], key: tuple[str, ...], **options: Any) -> dict[str, Any]:
    return table._get_connection().get_operation_kwargs(
        key[0], range_key=key[1] if len(key) == 2 else None, key=KEY, **options
    )


def write(
    table: type[Table],
    key: tuple[str, ...],
    actions: Sequence[Action],
    condition: Condition | None = None,
    on_failure: object = None,
) -> dict[str, Any]:
    """Change one item that two requests may both change, and return it as it is then (raw attributes).

    For changes that do no harm when made twice (set, remove); a counter belongs in a transaction.
    Raises ConditionFailed.
    """
    arguments = _arguments(table, key, actions=list(actions), condition=condition, return_values="ALL_NEW")
    return _single("UpdateItem", arguments, on_failure).get("Attributes", {})  # type: ignore[no-any-return]


def save(item: Table, condition: Condition | None = None, on_failure: object = None) -> None:
    """Write one whole item. Raises ConditionFailed.

    The client repeats after a time-out, so that a condition may then fail on what the first try itself wrote:
    a caller that needs to know uses a transaction.
    """
    _single("PutItem", item.get_save_kwargs_from_instance(condition=condition), on_failure)


def save_new(item: Table) -> None:
    """Write one whole item where there is none; what is there stays."""
    with contextlib.suppress(ConditionFailed):
        save(item, hash_key(type(item)).does_not_exist())


def remove(
    table: type[Table], key: tuple[str, ...], condition: Condition | None = None, on_failure: object = None
) -> None:
    """Delete one item. Raises ConditionFailed."""
    _single("DeleteItem", _arguments(table, key, condition=condition), on_failure)


def _single(operation: str, arguments: dict[str, Any], on_failure: object) -> dict[str, Any]:
    try:
        return call(operation, arguments)
    except ClientError as fault:
        if fault.response["Error"]["Code"] == "ConditionalCheckFailedException":
            raise ConditionFailed([on_failure]) from fault
        raise
