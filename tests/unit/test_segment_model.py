"""A member is in exactly those segments in which brute force over all that ever happened finds them, at every instant.

Rules, histories and jumps of the clock are random, many of the latter to a millisecond before, at or after a boundary.

    COMPARISONS=100000 SEGMENT_SEED=7 .venv/bin/pytest tests/unit/test_segment_model.py -s

makes so many comparisons, from that seed; without them 10,000, from another seed each time.
"""

from __future__ import annotations

import os
from random import Random, SystemRandom

import pytest

from chalicelib.growth.segments.traits import rules as traits
from tests.support.segment_play import Play

COMPARISONS = int(os.environ.get("COMPARISONS", "10000"))
SEED = int(os.environ.get("SEGMENT_SEED") or SystemRandom().randrange(10**6))
STEPS = 30


def test_whoever_is_in_a_segment_is_so_by_brute_force_at_every_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = changes = number = 0
    while compared < COMPARISONS:
        chance = Random(f"{SEED}/{number}")
        monkeypatch.setattr(traits, "ORDERS_KEPT", chance.choice([2, 64]))
        monkeypatch.setattr(traits, "WINDOW_DAYS_MAX", 12)
        try:
            play = played(chance)
        except BaseException as fault:
            fault.add_note(f"SEGMENT_SEED={SEED}, member {number}")
            raise
        compared, changes, number = compared + play.compared, changes + play.changes_by_time, number + 1
    print(f"{compared} comparisons, {number} members, {changes} changes by time alone: no difference")
    assert changes > compared / 100, "time is followed"


def played(chance: Random) -> Play:
    play = Play(chance)
    for _ in range(STEPS):
        play.wait()
        play.compare()
        if chance.random() < 0.3:
            play.passes()
            play.compare()
        for _ in range(chance.choice([0, 1, 1, 2])):
            play.deed()
            play.compare()
    return play
