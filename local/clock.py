"""One clock for all processes of a local mall: the machine's, moved forward by an offset kept in a small file.

It can be made to stand still, for who looks at the mall to the millisecond.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

#: The offset, and the instant at which the clock stands still (0: it goes). Each is written by itself, so that what
#: another process reads meanwhile is never earlier than before.
_SECONDS = struct.Struct("<d")
_OFFSET, _STANDS, _SIZE = 0, _SECONDS.size, 2 * _SECONDS.size


class LocalClock:
    """Unix seconds, offset included. Every process that opened the same file sees an advance at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if os.fstat(handle).st_size < _SIZE:
            os.ftruncate(handle, _SIZE)
        self._memory = mmap.mmap(handle, _SIZE)
        os.close(handle)

    def __call__(self) -> float:
        """The mall's time."""
        return self._read(_STANDS) or time.time() + self.offset

    @property
    def offset(self) -> float:
        """Seconds that the mall's clock is ahead of the machine's."""
        return self._read(_OFFSET)

    def advance(self, seconds: float) -> None:
        """Move the mall's clock forward. Time never goes back."""
        if seconds < 0:
            raise ValueError("time does not go back")
        stands = self._read(_STANDS)
        self._write(_OFFSET, self.offset + seconds)
        if stands:
            self._write(_STANDS, stands + seconds)

    @contextlib.contextmanager
    def standing(self, at: float | None = None) -> Iterator[float]:
        """Have the time stand still, now or as late as `at`, and go on from there afterwards; the instant."""
        now = self()
        at = now if at is None else at
        if at < now:
            raise ValueError("time does not go back")
        self._write(_STANDS, at)
        try:
            yield at
        finally:
            self._write(_OFFSET, self() - time.time())
            self._write(_STANDS, 0.0)

    def _read(self, place: int) -> float:
        return float(_SECONDS.unpack(self._memory[place : place + _SECONDS.size])[0])

    def _write(self, place: int, seconds: float) -> None:
        self._memory[place : place + _SECONDS.size] = _SECONDS.pack(seconds)
