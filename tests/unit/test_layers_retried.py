"""The layer test finds effects in what may be done again, wherever they hide, and lets through what is done once."""

from __future__ import annotations

import ast
import textwrap

import pytest

from tests.support.retried import effect_faults
from tests.unit.test_layers import Module, violations

DECISION = "in what may be done again"
OWN = "in a decision that has its transaction"
PLANTED = {
    f"line 3 calls metrics.add {DECISION}": """
        def pay(order_id):
            def decide(order, tx): metrics.add(Metric.ORDERS_PAID); return order
            return changes.change(order_id, decide)
    """,
    f"line 2 calls log.info {DECISION}": """
        def close(order_id): return change(order_id, lambda order, tx: log.info("closed") or order)
    """,
    f"line 5 calls log.error {DECISION}": """
        def place(asked):
            return retry(lambda: _place_once(asked))
        def _place_once(asked): return _place(asked)
        def _place(asked): log.error("placed")
    """,
    f"line 4 calls metrics.maximum {DECISION}": """
        def make(number):
            def create():
                metrics.maximum(Metric.DELAY, 1)
            return versioned.create_once(create, lambda: find(number), lambda made: True)
    """,
    f"line 4 calls log.warning {DECISION}": """
        def make(number):
            def write(tx, before, after):
                log.warning("made")
            return versioned.change(find, decide, write=write)
    """,
    f"line 6 calls log.info {DECISION}": """
        class Section:
            def edit(self, decide):
                return retry(lambda: self._save(decide))
            def _save(self, decide):
                log.info("saved")
    """,
    f"line 3 calls metrics.add {DECISION}, though": """
        def suspend(member_id): return _amend(member_id, lambda one: _suspended(one))
        def _suspended(one): metrics.add(Metric.X)
        def _amend(member_id, decide): return versioned.change(find, lambda one, tx: decide(one), write)
    """,
    f"line 3 calls log.info {DECISION}, through": """
        def gather(wanted): return retry(functools.partial(_gather, wanted), TRIES_CROWDED)
        def _gather(wanted): log.info("gathered")
    """,
    f"line 3 calls versioned.commit {OWN}": """
        def pay(order_id):
            def decide(order, tx): versioned.commit(Transaction()); return order
            return changes.change(order_id, decide)
    """,
    f"line 4 calls Transaction().commit {OWN}": """
        def pay(order_id):
            return changes.change(order_id, lambda order, tx: _paid(order))
        def _paid(order): Transaction().commit()
    """,
    f"line 2 calls other.change {OWN}": """
        def pay(order_id): return changes.change(order_id, lambda order, _: other.change(order.group, decide))
    """,
    f"line 5 calls retry {OWN}": """
        def pay(order_id):
            return changes.change(order_id, functools.partial(_paid, 1))
        def _paid(size: int, order: Order, _: Transaction) -> Order:
            return retry(lambda: take(size))
    """,
}


@pytest.mark.parametrize("fault", list(PLANTED))
def test_a_planted_effect_is_found(fault: str) -> None:
    text = textwrap.dedent(PLANTED[fault])
    expected = fault.partition(", ")[0]
    assert effect_faults(ast.parse(text)) == [expected]
    assert f"commerce.orders.service: {expected}" in violations(Module("commerce.orders.service", text))


CLEAN = """
def pay(order_id, effect):
    log.info("pays")
    def decide(order, tx):
        tx.after_commit(metrics.add, Metric.ORDERS_PAID)
        tx.after_commit(lambda: log.info("paid"))
        return _paid(order)
    after = changes.change(order_id, decide)
    metrics.add(Metric.PAID_FEN, after.paid_fen)
    return after

def place(asked):
    made = retry(lambda: _place_once(asked))
    _told(made)
    return made

def _place_once(asked):
    tx = Transaction()
    versioned.commit(tx)

def _paid(order): return order

def _told(made): log.info("placed", math=log10(1))

def move(category_id, edit): return change(category_id, lambda forest, tx: edit(forest))

def cancel(order_id): return pay(order_id, lambda: metrics.add(Metric.X))
"""


def test_what_is_done_once_is_not_found() -> None:
    assert effect_faults(ast.parse(CLEAN)) == []
