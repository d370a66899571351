"""What happens between the reads and the commit of something else."""

from __future__ import annotations

from collections.abc import Callable


class Meanwhile:
    """At most one thing that is to happen just before a commit of what goes on; `on_commit` is told of each."""

    def __init__(self) -> None:
        self._waiting: tuple[int, Callable[[], object]] | None = None

    def plan(self, commits: int, what: Callable[[], object]) -> None:
        """Have it happen when that many commits have been made, before the next."""
        self._waiting = commits, what

    def on_commit(self) -> None:
        """A commit is about to be made."""
        if self._waiting is None:
            return
        commits, what = self._waiting
        self._waiting = (commits - 1, what) if commits else None
        if not commits:
            what()

    def make_up(self) -> bool:
        """What was planned and has not happened happens now; whether it had to."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting[1]()
        return waiting is not None
