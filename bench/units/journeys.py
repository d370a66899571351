"""What journeys and messages cost: a member who comes in, by a call for many or by what they did; a wait that is over;
a coupon; a fact that is heard; a message, and its end. Most are of the ladder that the mall brings with it."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from bench.units import rush
from bench.units.campaign import ALL, Campaign, counted
from bench.units.figures import CAME_IN, ENROLLED, GRANTED, HEARD, SENT, SETTLED, WOKEN, Doing, Journeys
from bench.units.made_up import ids_of_shard, owed
from bench.units.meter import Meter, Sample
from bench.units.recorder import Recorder
from bench.units.scenario import places_of, step_of
from chalicelib.core import clock, ids
from chalicelib.growth.journeys.enrolling.service import PAGE
from chalicelib.growth.journeys.entering.rules import Cause
from chalicelib.growth.journeys.entering.service import enter
from chalicelib.growth.journeys.jobs import ENROL, HEAR, PASS, PASS_ON, SETTLE, STEP
from chalicelib.growth.journeys.listening.rules import Heard
from chalicelib.growth.journeys.observing.service import tell
from chalicelib.growth.journeys.waking.service import RUNS_AT_ONCE
from chalicelib.growth.messaging.jobs import PUSH
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.store.transaction import Transaction
from local.client import Sandbox, Transport
from local.clock import LocalClock
from local.jobs import forget_all

_NOON, _LOOK = 12, timedelta(days=30, minutes=1)
#: So many of each job are measured, where each is one member's.
_TIMES = 12
_PAID_FEN = 15_900


class Bench:
    """Members who are made up, in the ladder."""

    def __init__(self, send: Transport, sandbox: Sandbox, mall_clock: LocalClock) -> None:
        self._send, self._sandbox, self._clock = send, sandbox, mall_clock
        self._campaign = Campaign(send, mall_clock)
        self._meters = [Meter(send, mall_clock, recorder) for recorder in (None, Recorder())]
        self._took: dict[str, tuple[list[Sample], list[Sample]]] = defaultdict(lambda: ([], []))
        self._together: dict[str, int] = {}

    def run(self, at_once: int) -> Journeys:
        """Everything, with so many members who come in by one call and wake at one time."""
        forget_all()
        self._campaign.until(_NOON)
        ladder = self._campaign.ladder()
        by_hand = self._campaign.journey(entry={"api": True}, first="rest", steps={"rest": {"wait": {"days": 300}}})
        said = {"purpose": "marketing", "template": self._campaign.message(), "on_skip": "wait"}
        awaiting = self._campaign.journey(entry={"api": True}, first="tell", steps={"tell": {"message": said}})
        for number in range(len(self._meters)):
            self._enrol(number, by_hand)
            self._climb(number, ladder)
            self._hear(number, awaiting)
        doings = [self._doing(name) for name in self._took]
        return Journeys(doings=doings, rush=rush.Bench(self._send, self._sandbox, self._clock).run(at_once))

    def _enrol(self, number: int, journey_id: str) -> None:
        """An operator lets so many members in as are seen to in one step."""
        forget_all()
        made = [ids.new("m") for _ in range(PAGE)]
        self._campaign.members(made)
        operator, before = self._campaign.operator(), counted(journey_id, "entered")
        listed = operator.post("/v1/admin/audiences", {"members": made}, key=secrets.token_hex(8)).ok(201)
        body = {"audience_id": listed["audience_id"]}
        operator.post(f"{ALL}/{journey_id}/enter", body, key=secrets.token_hex(8)).ok()
        self._measure(number, ENROLLED, owed(ENROL), PAGE)
        assert counted(journey_id, "entered") == before + PAGE

    def _climb(self, number: int, ladder: str) -> None:
        """Members of one shard join, do not buy, get the first coupon and its message, and then buy."""
        forget_all()
        made = ids_of_shard(0, 2 * RUNS_AT_ONCE)
        self._campaign.members(made)
        self._happens(made, "joined")
        self._measure(number, CAME_IN, owed(HEAR))
        self._clock.advance(_LOOK.total_seconds())
        first, *_ = owed(PASS)
        assert worker.run_one(first)  # it sees to a page, and owes the rest to another
        self._measure(number, WOKEN, owed(PASS_ON), RUNS_AT_ONCE)
        self._measure(number, GRANTED, owed(STEP))
        self._measure(number, SENT, owed(PUSH))
        before = counted(ladder, "goal|after_15")
        self._happens(made, "order_paid")
        self._measure(number, HEARD, owed(HEAR))
        assert counted(ladder, "goal|after_15") == before + len(made)

    def _hear(self, number: int, journey_id: str) -> None:
        """Members are sent a message that their runs wait for."""
        forget_all()
        made = [ids.new("m") for _ in range(_TIMES)]
        self._campaign.members(made)
        enter(made, journey_id, Cause(by="api", cause="bench"))
        for job in owed(PUSH):
            assert worker.run_one(job)
        self._measure(number, SETTLED, owed(SETTLE))

    @staticmethod
    def _happens(member_ids: Sequence[str], event: str) -> None:
        for one in member_ids:
            tx, now = Transaction(), clock.now()
            paid = _PAID_FEN if event == "order_paid" else 0
            tell(tx, one, [Heard(ids.new("e"), event, now, paid_fen=paid)])
            tx.commit()

    def _measure(self, number: int, name: str, jobs: Sequence[Jobs], together: int = 1) -> None:
        """Run these jobs, some of them as measured ones."""
        assert jobs, name
        meter = self._meters[number]
        meter.samples = []
        for job in jobs[:_TIMES]:
            meter.run(job)
        self._took[name][number].extend(meter.samples)
        self._together[name] = together
        for job in jobs[_TIMES:]:
            assert worker.run_one(job)

    def _doing(self, name: str) -> Doing:
        timed, counts = self._took[name]
        step = step_of(name, counts[0].function, counts, [sample.cpu_ms for sample in timed], 1)
        together = self._together[name]
        return Doing(together=together, step=step, places=places_of([[one] for one in counts], together * len(counts)))
