"""Group-buy under random play: shoppers, payments, delays, repetitions, clock jumps and bad days of WeChat.

A run is 50 deeds. After each the lobbies that it touched must add up; at its end, when every job has run, every fen,
seat and piece must be where it should be. The same 100 or so are played every time; MACHINE_RUNS=2000 plays so many
others, and MACHINE_SEED those of a seed again that a failure has named.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from chalicelib.growth.groupbuy.rules import Lottery
from local import environment
from tests.support.group_checks import check_end
from tests.support.group_play import Deed, Play
from tests.support.group_stage import Setting, Stage, stages

RUNS, STEPS = 100, 50
#: So many runs come of one seed: after ten Hypothesis would only vary those before.
SEED_RUNS = 9
PLAYED = settings(
    max_examples=SEED_RUNS, stateful_step_count=STEPS, database=None, deadline=None, report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
)  # fmt: skip

_TWO_TO_FOUR = {2: (1000, 1500), 3: (900, 1300), 4: (800, 1100)}

SETTINGS = [
    Setting("fixed", "fixed", {2: (0, 1500), 3: (900, 1300)}, variants={"b": (5000, {2: (1100, 1200)})}),
    Setting(
        "scarce", "fixed", {3: (900, 1300), 4: (800, 1100)}, aside=7, stock=9, min_fill=2, limit_per_member=3,
        freight=True,
    ),
    Setting("newcomers", "fixed", {2: (1000, 1500)}, stock=6, freight=True, new_customers_only=True),
    Setting("ladder", "ladder", _TWO_TO_FOUR, aside=30, stock=40, freight=True),
    Setting(
        "lottery", "lottery", {2: (0, 1500), 3: (900, 1300)}, freight=True,
        lottery=Lottery(winners=1, prize="free"),
    ),
    Setting(
        "lottery over all", "lottery", {2: (1000, 1500), 3: (0, 1300)}, aside=20, min_fill=2, limit_per_member=4,
        lottery=Lottery(winners=2, per="activity"),
    ),
]  # fmt: skip

WHO = st.sampled_from([0, 0, 1, 1, 2, 3, 4])
#: Which one, counted from the latest.
LATEST = st.sampled_from([0, 0, 0, 1, 1, 2, 3])
PIECES = st.sampled_from([1, 1, 2])
FAR = st.sampled_from(["told", "told", "told", "paid", "begun", "ordered"])
#: Around the mall's own times: the lease of a job, the grace of a payment, the hold of a seat, the life of a lobby.
SECONDS = st.sampled_from([1, 1, 6, 31, 61, 61, 86, 130, 9 * 60 + 51, 11 * 60, 29 * 60 + 46, 31 * 60, 66 * 60])
WEATHER = st.sampled_from(["unreachable", "answers_lost", "broken", "busy", "no_balance"])
SWITCH = st.booleans()

#: What each deed is given.
GIVEN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "join": {"who": WHO, "lobby": LATEST, "pieces": PIECES, "far": FAR},
    "open": {"who": WHO, "size": LATEST, "pieces": PIECES, "far": FAR},
    "begin": {"order": LATEST},
    "begin_overtaken": {"order": LATEST},
    "pay": {"trade": LATEST, "told": st.sampled_from([0, 1, 1, 2])},
    "cancel": {"order": LATEST},
    "refund": {"order": LATEST, "one_piece": SWITCH, "twice": SWITCH},
    "tell": {"trade": LATEST},
    "tell_refund": {"refund": LATEST},
    "storm": {"weather": WEATHER, "seconds": SECONDS},
    "wait": {"seconds": SECONDS, "work": SWITCH},
    "slow": {"seconds": st.sampled_from([1, 6, 31, 86]), "work": SWITCH},
    "work": {},
    "next_job": {},
    "expiry": {"lobby": LATEST},
    "end_early": {},
}
#: What may be done while somebody else is at something, and what cannot be interrupted by more than it brings itself.
MEANWHILE = frozenset({"join", "pay", "tell", "cancel", "refund", "slow", "work"})
ALONE = frozenset({"begin_overtaken", "storm", "wait"})


DEEDS = {name: st.tuples(st.just(name), st.fixed_dictionaries(given)) for name, given in GIVEN.items()}


@functools.cache
def deeds(weights: tuple[tuple[str, int], ...]) -> st.SearchStrategy[Deed]:
    """One of the deeds of these names, so often as they weigh."""
    names = [name for name, weight in weights for _ in range(weight)]
    return st.sampled_from(names).flatmap(DEEDS.__getitem__)


class Machine(RuleBasedStateMachine):
    """One run."""

    def __init__(self, stage: Stage, ends: Counter[str]) -> None:
        super().__init__()
        self.play = Play(stage)
        self.ends = ends
        self.whole = True

    @rule(
        data=st.data(),
        commits=st.sampled_from([None, None, None, None, 0, 0, 1]),
        behind=st.sampled_from([0, 0, 1]),
    )
    def step(self, data: st.DataObject, commits: int | None, behind: float) -> None:
        """Something that can be done now; or two such things at once."""
        weights = self.play.possible()
        deed = data.draw(deeds(tuple(one for one in weights if one[0] != "slow")), "deed")
        if commits is not None and deed[0] not in ALONE:
            second = data.draw(deeds(tuple(one for one in weights if one[0] in MEANWHILE)), "meanwhile")
            deed = "at_once", {"first": deed, "second": second, "commits": commits, "behind": behind}
        self.ends["deeds"] += 1
        self.whole = False
        told = self.play.do(deed)
        self.whole = True
        note(f"    {told}")

    def teardown(self) -> None:
        with contextlib.closing(self.play):
            if self.whole:  # else it has failed, and there is nothing more to be learnt
                self.play.drain()
                self.ends.update(check_end(self.play))
                self.ends["runs"] += 1


@pytest.fixture(scope="module")
def stage(dynamodb: str, places: environment.Places) -> Iterator[Callable[[Setting], Stage]]:
    with stages() as make:
        yield make


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_whatever_happens_every_fen_seat_and_piece_is_accounted_for(
    setting: Setting, stage: Callable[[Setting], Stage]
) -> None:
    ends: Counter[str] = Counter()
    made = stage(setting)

    def machine() -> Machine:
        return Machine(made, ends)

    for chosen in _seeds():
        try:
            run_state_machine_as_test(seed(chosen)(machine), settings=PLAYED)
        except BaseException as fault:
            fault.add_note(f"MACHINE_SEED={chosen}")
            raise
    print(dict(sorted(ends.items())))
    assert ends["deeds"] > 0.95 * STEPS * ends["runs"], "runs are whole"
    assert ends["lobby succeeded"] > ends["runs"] / 2, "the play comes to something"
    assert ends["lobby failed"] > ends["runs"] / 2, "the play comes to something"


def _seeds() -> list[int]:
    """Each is good for SEED_RUNS runs of each setting."""
    if given := os.environ.get("MACHINE_SEED"):
        return [int(given)]
    asked = int(os.environ.get("MACHINE_RUNS", "0"))
    count = -(-(asked or RUNS) // (len(SETTINGS) * SEED_RUNS))
    return [secrets.randbits(32) if asked else number for number in range(count)]
