"""Runs as a state machine: members come in, things happen to them, twice, late and out of order; jobs run twice, and
workers die before a commit and after it; the journey is paused, published anew and its runs taken over.

Always: of one member one run at most is active; each effect comes once; nobody is lost, and all is counted.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chalicelib.customers.members.rules import Profile
from chalicelib.growth.journeys.checks import GuardRecord, Records, RunRecord, audit
from chalicelib.growth.journeys.effects.rules import Ask, Enter, Say, Tag
from chalicelib.growth.journeys.entering.rules import Cause, entered, refusal
from chalicelib.growth.journeys.language.rules import Definition, Plan, plan_of
from chalicelib.growth.journeys.listening.rules import ENTERED, Heard
from chalicelib.growth.journeys.migrating.rules import migrated
from chalicelib.growth.journeys.runs.rules import Guard, Run
from chalicelib.growth.journeys.stepping.rules import Advanced, begun, granted, heard, settled, stopped, woken
from chalicelib.growth.journeys.steps.rules import GrantStep, If

START = datetime(2026, 11, 30, 4, tzinfo=UTC)
SAID = {"purpose": "service", "template": "mt1"}
GOAL = {"event": "paid", "within_days": 2}

LADDER: dict[str, Any] = {
    "first": "wait",
    "steps": {
        "wait": {"wait_for": {"event": "paid", "timeout": {"hours": 5}, "then": "up", "on_timeout": "down"}},
        "down": {"grant": {"template": "ct1"}, "next": "tell"},
        "tell": {"message": SAID, "next": "again"},
        "again": {"wait_for": {"event": "paid", "timeout": {"hours": 3}, "then": "up", "on_timeout": "lots"}},
        "lots": {"split": [{"arm": "a", "weight": 1, "next": "call"}, {"arm": "b", "weight": 1, "next": "say"}]},
        "call": {"task": {"title": "x", "outcomes": ["yes"]}, "on": {"yes": "up"}, "next": "mark"},
        "say": {"message": {**SAID, "on_skip": "wait", "expires_hours": 2}, "next": "by"},
        "by": {"branch": [{"if": {"last": "sent"}, "next": "up"}], "else": "mark"},
        "mark": {"tag": "lost", "next": "wait"},
        "up": {"grant": {"template": "ct2"}, "next": "rest"},
        "rest": {"wait": {"between_days": [1, 3]}, "next": "other"},
        "other": {"enter": {"journey": "jn2"}, "next": "bye"},
        "bye": {"exit": {"reason": "won"}},
    },
    "exits": [{"event": "left", "reason": "left"}, {"segment": "sg1", "reason": "moved"}],
    "goal": GOAL,
}
EVENTS = [*["paid"] * 8, "back", "back", "other", "other", "left", ENTERED]
#: Two who are treated, one who is a control, and one who is held out, by the hashes of who they are.
PERSONS = {"m0": "o4", "m1": "o6", "m2": "o0", "m3": "o2"}
#: The same, where a step is gone, others are longer, and one is new.
OTHER: dict[str, Any] = {
    **LADDER,
    "steps": {
        **{name: step for name, step in LADDER["steps"].items() if name not in ("again", "call", "tell")},
        "down": {"grant": {"template": "ct1"}, "next": "rest"},
        "lots": {"split": [{"arm": "a", "weight": 1, "next": "mark"}, {"arm": "c", "weight": 3, "next": "say"}]},
        "rest": {"wait": {"days": 4}, "next": "fresh"},
        "fresh": {"untag": "lost", "next": "bye"},
    },
}  # fmt: skip


def version(number: int, parts: dict[str, Any], control: int) -> Plan:
    whole = {"name": "x", "entry": {"api": True}, "re_entry": {"max": 4}, "control_percent": control, **parts}
    return plan_of("jn1", number, msgspec.convert(whole, Definition))


class Lost(Exception):
    """Another was quicker."""


class Journeys(RuleBasedStateMachine):
    """The runs of four members."""

    def __init__(self) -> None:
        super().__init__()
        self.plans = {number: version(number, LADDER if number % 2 else OTHER, 25) for number in range(1, 30)}
        self.members = {
            name: Profile(member_id=name, openid=openid, joined_at=START) for name, openid in PERSONS.items()
        }
        self.now = START
        self.current, self.paused, self.causes = 1, False, 0
        self.runs: dict[str, Run] = {}
        self.guards: dict[str, Guard] = {name: Guard() for name in self.members}
        self.counts: dict[int, Counter[str]] = {number: Counter() for number in self.plans}
        self.done: Counter[str] = Counter()
        self.coupons: set[str] = set()
        self.told: list[tuple[str, Heard]] = []
        self.steps: set[tuple[str, int]] = set()
        self.everybody = 0

    # one transaction

    def commit(self, before: Run | None, advanced: Advanced) -> None:
        after = advanced.run
        stored = self.runs.get(after.run_id)
        if (stored is None) is not (before is None) or (before and stored and stored.seq != before.seq):
            raise Lost
        assert before is None or after.seq == before.seq + 1
        guard = self.guards[after.member_id]
        if before is None:
            if guard.run_id:
                raise Lost
            self.everybody += 1
            guard = msgspec.structs.replace(guard, entries=guard.entries + 1)
        self.runs[after.run_id] = after
        is_in = after.state != "ended"
        if before is None or before.state != "ended":
            self.guards[after.member_id] = msgspec.structs.replace(
                guard, run_id=after.run_id if is_in else "", left_at=guard.left_at if is_in else self.now
            )  # fmt: skip
        self.counts[after.version].update(advanced.counts)
        for effect in advanced.effects:
            match effect:
                case Say(message_id):
                    self.done[message_id] += 1
                case Ask(task_id):
                    self.done[task_id] += 1
                case Enter(_, cause):
                    self.done[cause] += 1
                case Tag(name):
                    self.done[f"{after.run_id}|{name}|{after.seq}"] += 1
        if after.arriving and after.state == "active":
            self.steps.add((after.run_id, after.seq))

    def attempt(self, before: Run | None, advanced: Advanced | None, dies: str) -> bool:
        """Commit it, or die before that, or after it; whether the job has ended."""
        if advanced is None:
            return True
        if dies == "before":
            return False
        try:
            self.commit(before, advanced)
        except Lost:
            return False
        return dies != "after"

    def holds(self, condition: If) -> bool:
        return condition.segment is not None

    # what happens

    @rule(member=st.integers(0, 3), old=st.booleans(), dies=st.sampled_from(["", "before", "after"]))
    def come_in(self, member: int, old: bool, dies: str) -> None:
        self.causes += not old
        name = f"m{member}"
        run_id = f"jr-{name}-{self.causes}"
        cause = Cause(by="api", cause=str(self.causes))
        for _ in range(2 if dies == "after" else 1):
            if run_id in self.runs or self.paused:
                return
            plan, who = self.plans[self.current], self.members[name]
            if refusal(plan, cause, who, self.guards[name], frozenset(), False, self.now) is not None:
                return
            run = entered(plan, cause, run_id, who, 10, self.now)
            self.attempt(None, begun(plan, run, self.now, self.holds), dies)

    @rule(hours=st.sampled_from([0.01, 1, 3, 6, 30]))
    def time_passes(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    @rule(
        member=st.integers(0, 3), event=st.sampled_from(EVENTS),
        late=st.sampled_from([0, 0, 1, 10]), dies=st.sampled_from(["", "before", "after"]),
    )  # fmt: skip
    def something_happens(self, member: int, event: str, late: int, dies: str) -> None:
        self.causes += 1
        fen = {"paid": 500, "back": -100}.get(event, 0)
        segment = "sg1" if event == ENTERED else ""
        at = self.now - timedelta(hours=late)
        fact = Heard(f"f{self.causes}", event, at, segment=segment, paid_fen=fen)
        self.told.append((f"m{member}", fact))
        self.tell(f"m{member}", fact, dies)

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def it_is_told_again(self, data: st.DataObject) -> None:
        name, fact = data.draw(st.sampled_from(self.told[-8:]))
        before = dict(self.runs)
        known = {run.run_id for run in self.runs.values() if fact.cause in run.heard}
        self.tell(name, fact, "")
        assert all(self.runs[one] == before[one] for one in known)

    def tell(self, name: str, fact: Heard, dies: str) -> None:
        for run in [run for run in self.runs.values() if run.member_id == name]:
            plan = self.plans[run.version]
            self.attempt(run, heard(plan, run, self.now, self.holds, fact, self.paused), dies)

    @rule(dies=st.sampled_from(["", "before", "after"]))
    def waits_are_over(self, dies: str) -> None:
        for run in list(self.runs.values()):
            if run.state == "active" and not run.arriving and run.wake is not None and run.wake <= self.now:
                self.attempt(run, woken(self.plans[run.version], run, self.now, self.holds, self.paused), dies)

    @precondition(lambda self: self.steps)
    @rule(data=st.data(), dies=st.sampled_from(["", "before", "after"]), outcome=st.sampled_from(["given", "sold_out"]))
    def a_step_is_made(self, data: st.DataObject, dies: str, outcome: str) -> None:
        self.make_step(data.draw(st.sampled_from(sorted(self.steps))), dies, outcome)

    def make_step(self, job: tuple[str, int], dies: str, outcome: str) -> None:
        run = self.runs[job[0]]
        if run.seq != job[1] or not run.arriving or run.state != "active":
            self.steps.discard(job)
            return
        plan = self.plans[run.version]
        if isinstance(plan.steps.get(run.step), GrantStep) and not self.paused:
            coupon = f"{run.run_id}|{run.step}|{run.seq}"
            advanced = granted(plan, run, self.now, self.holds, outcome)
            if self.attempt(run, advanced, dies):
                self.steps.discard(job)
            if outcome == "given" and self.runs[run.run_id].seq != run.seq:
                assert coupon not in self.coupons
                self.coupons.add(coupon)
        elif self.attempt(run, woken(plan, run, self.now, self.holds, self.paused), dies):
            self.steps.discard(job)

    @rule(hours=st.lists(st.sampled_from([1, 4, 6, 30]), min_size=1, max_size=4))
    def days_pass_and_all_is_done(self, hours: list[int]) -> None:
        for one in hours:
            self.now += timedelta(hours=one)
            self.waits_are_over("")
            while self.steps:
                self.make_step(min(self.steps), "", "given")

    @rule(data=st.data(), outcome=st.sampled_from(["sent", "dropped", "yes"]))
    def what_is_awaited_has_come(self, data: st.DataObject, outcome: str) -> None:
        waiting = sorted(run.run_id for run in self.runs.values() if run.awaits)
        if waiting:
            run = self.runs[data.draw(st.sampled_from(waiting))]
            for _ in range(2):
                now = self.runs[run.run_id]
                plan = self.plans[now.version]
                self.attempt(
                    now, settled(plan, now, self.now, self.holds, run.awaits, outcome, self.paused), ""
                )  # fmt: skip

    @precondition(lambda self: len(self.runs) > 6)
    @rule(data=st.data())
    def an_operator_ends_one(self, data: st.DataObject) -> None:
        inside = sorted(run.run_id for run in self.runs.values() if run.state != "ended")
        if len(inside) > 3:
            run = self.runs[data.draw(st.sampled_from(inside))]
            self.attempt(run, stopped(self.plans[run.version], run, self.now, "by_operator"), "")

    @rule()
    def it_is_paused_or_resumed(self) -> None:
        self.paused = not self.paused
        if not self.paused:
            for run in [run for run in self.runs.values() if run.state == "parked"]:
                self.attempt(run, woken(self.plans[run.version], run, self.now, self.holds), "")

    @precondition(lambda self: self.current < 28)
    @rule(missing=st.sampled_from(["exit", "nearest"]), mapped=st.booleans(), some=st.booleans())
    def it_is_published_anew(self, missing: Literal["exit", "nearest"], mapped: bool, some: bool) -> None:
        self.current += 1
        new = self.plans[self.current]
        inside = [run for run in self.runs.values() if run.state != "ended" and run.version != new.version]
        for run in inside[: len(inside) // 2] if some else inside:
            old = self.plans[run.version]
            found = migrated(old, new, run, self.now, {"again": "wait"} if mapped else {}, missing)
            self.counts[old.version].update(found.left)
            before = self.runs[run.run_id]
            self.attempt(before, Advanced(found.run, [], found.joined), "")

    # what always holds

    @invariant()
    def each_effect_comes_once(self) -> None:
        assert all(n == 1 for n in self.done.values())
        given = sum(counts["grants|given"] for counts in self.counts.values())
        assert given == len(self.coupons)

    @invariant()
    def nobody_is_lost(self) -> None:
        named = {number: dict(counts) for number, counts in self.counts.items()}
        records = Records(
            runs=[
                RunRecord(
                    run, "active", str(run.wake) if self._waits(run) else None, run.state != "ended"
                )
                for run in self.runs.values()
            ],
            guards=[GuardRecord(name, "active", guard) for name, guard in self.guards.items()],
            counts={("jn1", number): counts for number, counts in named.items()},
            stamps={run.run_id: str(run.wake) for run in self.runs.values()},
        )  # fmt: skip
        assert audit(records) == []
        total = sum(self.counts.values(), Counter())
        assert sum(counts["entered"] for counts in self.counts.values()) == self.everybody == len(self.runs)
        controls = sum(run.control for run in self.runs.values())
        assert (total["n|control"], total["holdout"]) == (controls, sum(run.held_out for run in self.runs.values()))
        assert total["conv|treated"] + total["conv|control"] == sum(
            run.converted_at is not None for run in self.runs.values()
        )  # fmt: skip
        for arm, control in (("treated", False), ("control", True)):
            paid = [run.revenue_fen for run in self.runs.values() if run.control is control]
            counted = [sum(counts[f"{name}|{arm}"] for counts in self.counts.values()) for name in ("gmv", "gmv2")]
            assert counted == [sum(paid), sum(fen**2 for fen in paid)]

    @invariant()
    def who_is_only_looked_at_gets_nothing(self) -> None:
        assert all(not run.arms and not run.last and not run.arriving for run in self.runs.values() if run.control)

    @staticmethod
    def _waits(run: Run) -> bool:
        return run.state == "active" and not run.arriving and run.wake is not None


TestJourneys = Journeys.TestCase
TestJourneys.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)
