"""The clock of a local mall: one for all processes, never back, and standing still for who looks to the millisecond."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from local.clock import LocalClock


def test_every_process_sees_an_advance_and_time_never_goes_back(tmp_path: Path) -> None:
    clock, other = LocalClock(tmp_path / "clock"), LocalClock(tmp_path / "clock")
    assert abs(other() - time.time()) < 1
    clock.advance(3600)
    assert abs(other() - time.time() - 3600) < 1
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


def test_a_clock_that_stands_goes_on_from_where_it_stood(tmp_path: Path) -> None:
    clock, other = LocalClock(tmp_path / "clock"), LocalClock(tmp_path / "clock")
    at = clock() + 86_400
    with clock.standing(at) as stands:
        assert (stands, clock(), other()) == (at, at, at)
        time.sleep(0.01)
        assert other() == at
        clock.advance(0.001)
        assert other() == at + 0.001
    assert 0 <= other() - at - 0.001 < 1
    assert abs(other.offset - 86_400) < 1
    with pytest.raises(ValueError, match="back"), clock.standing(at - 1):
        pass


def test_a_file_of_an_older_mall_keeps_its_offset(tmp_path: Path) -> None:
    (tmp_path / "clock").write_bytes(struct.pack("<d", 7200.0))
    assert abs(LocalClock(tmp_path / "clock")() - time.time() - 7200) < 1
