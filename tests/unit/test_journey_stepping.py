"""What a run goes by from step to step, and how many journeys there are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chalicelib.growth.journeys.book.rules import ALL_MAX, JOURNEYS_MAX, Book, Known
from chalicelib.growth.journeys.language.rules import Plan
from chalicelib.growth.journeys.rules import Journey
from chalicelib.growth.journeys.runs.rules import Run
from chalicelib.growth.journeys.stepping.rules import begun, settled, woken
from tests.support.journeys import NOW, plan


def comes_in(made: Plan) -> Run:
    run = Run(
        run_id="jr1", journey_id="jn1", version=1, member_id="m1", step="", entered_at=NOW, entered_by="api", at=NOW
    )
    return begun(made, run, NOW, lambda _: False).run


def test_what_has_ended_takes_no_journeys_room() -> None:
    def book(**states: int) -> Book:
        made = {f"{state}{number}": state for state, count in states.items() for number in range(count)}
        when = {"made_at": NOW, "changed_at": NOW}
        journeys = {one: Journey(journey_id=one, name=one, state=state, **when) for one, state in made.items()}
        return Book(journeys={one: Known(journey=journey) for one, journey in journeys.items()})

    assert book(live=JOURNEYS_MAX - 1, draft=1).is_full() and book(ended=ALL_MAX).is_full()
    assert not book(live=JOURNEYS_MAX - 1, ended=JOURNEYS_MAX).is_full()


def test_an_outcome_that_is_not_known_in_time_is_not_that_of_another_task() -> None:
    """The first call was answered; of the second nobody said anything until it was due."""
    call: dict[str, Any] = {"task": {"title": "电话", "outcomes": ["yes", "no"]}, "on": {"no": "out"}}
    made = plan(
        {
            "first": {**call, "next": "second"},
            "second": {**call, "next": "asks"},
            "asks": {"branch": [{"if": {"last": "yes"}, "next": "won"}], "else": "late"},
            "late": {"branch": [{"if": {"last": "timeout"}, "next": "lost"}]},
            **{reason: {"exit": {"reason": reason}} for reason in ("won", "lost", "out")},
        }
    )  # fmt: skip
    run = comes_in(made)
    answered = settled(made, run, NOW, lambda _: False, run.awaits, "yes")
    assert answered is not None and answered.run.step == "second"
    assert woken(made, answered.run, NOW + timedelta(days=9), lambda _: False).run.reason == "lost"
