"""What messages tell and ask of those who have them sent: a journey's run hears of the end of its messages and tasks,
and who sends says whether it still wants to.

app.py registers them. What they add goes into the transaction that they are given; they may be called again.
"""

from __future__ import annotations

from typing import Any, Protocol

from chalicelib.growth.messaging.rules import Message
from chalicelib.platform.store.transaction import Transaction


class Results(Protocol):
    """What the wing above does as what one of its runs has sent comes to an end."""

    def ended(self, tx: Transaction, message: Message) -> None:
        """A message with a `run` has ended, as part of `tx`: it is sent, failed, unknown or dropped, or (where its
        platform was quicker than the call's own answer) delivered. Once for each message; what a platform tells
        later of one that was sent, or is unknown, is not told."""

    def task_done(self, tx: Transaction, task: Any) -> None:
        """A task with a `run` is done or cancelled, as part of `tx`."""


class _Nobody:
    """Nobody wants to hear of it."""

    def ended(self, tx: Transaction, message: Message) -> None:
        """Do nothing."""

    def task_done(self, tx: Transaction, task: Any) -> None:
        """Do nothing."""


_results: Results = _Nobody()


def register_results(results: Results) -> None:
    """Tell these of what has ended from now on."""
    global _results
    _results = results


def results() -> Results:
    """The registered ones; where none are, nobody hears of it."""
    return _results


class Source(Protocol):
    """One kind of those who have messages sent, such as "send": what stands before the colon of a message's source."""

    def stands(self, tx: Transaction, message: Message) -> bool:
        """Tell whether the message is still wanted, and add to `tx`, which reserves its send, that this holds (one
        action at most, Conflict where it does not any more). Where it is not, it is dropped as `recalled`."""


_sources: dict[str, Source] = {}


def register_source(kind: str, source: Source) -> None:
    """Ask this one, from now on, before a message is sent whose source is of that kind."""
    _sources[kind] = source


def source_of(message: Message) -> Source | None:
    """Find who is asked before the message is sent; None where nobody is."""
    return _sources.get(message.source.partition(":")[0])
