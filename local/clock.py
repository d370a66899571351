"""One clock for all processes of a local mall: the machine's, moved forward by an offset kept in a small file."""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

_FORMAT = struct.Struct("<d")


class LocalClock:
    """Unix seconds, offset included. Every process that opened the same file sees an advance at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if os.fstat(handle).st_size < _FORMAT.size:
            os.write(handle, _FORMAT.pack(0.0))
        self._memory = mmap.mmap(handle, _FORMAT.size)
        os.close(handle)

    def __call__(self) -> float:
        """The mall's time."""
        return time.time() + self.offset

    @property
    def offset(self) -> float:
        """Seconds that the mall's clock is ahead of the machine's."""
        return float(_FORMAT.unpack(self._memory[: _FORMAT.size])[0])

    def advance(self, seconds: float) -> None:
        """Move the mall's clock forward. Time never goes back."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._memory[: _FORMAT.size] = _FORMAT.pack(self.offset + seconds)
