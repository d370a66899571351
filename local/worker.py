"""The job worker of a local mall, and its control port.

    python -m local.worker --port 8002 --clock .local/clock

Deployed, streams and rules of every minute wake a worker for each lane of jobs; here a thread for each looks every
second of real time.
"""

from __future__ import annotations

import argparse
import importlib
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import waitress
from flask import Flask, request

from chalicelib.core import clock, log
from chalicelib.platform.jobs import daily, queue
from chalicelib.platform.jobs.declarations import LANES, Lane
from chalicelib.platform.jobs.worker import run_due
from local.calls import record_if_asked
from local.clock import LocalClock
from local.doors import only_from_here
from local.journeys import count_messages, count_runs
from local.processes import HOST
from local.segments import count_due

_TICK_SECONDS = 1.0
_THREADS = 4
#: Of one advance: ten years, so that a slip of the finger does not leave the calendar.
_SECONDS_MAX = 10 * 365 * 86400


class Worker:
    """Runs due jobs, in each lane one round at a time; no lane waits for another."""

    def __init__(self) -> None:
        self._locks = {lane: threading.Lock() for lane in LANES}

    def run(self) -> int:
        """Run what is due in all lanes until nothing is; how many were run.

        All stand still for it, so that what one of them has begun is done by then, and what it owed too.
        """
        ran = 0
        with ExitStack() as held:
            for lane in reversed(LANES):  # the slow ones first: those inside go on while these are awaited
                held.enter_context(self._locks[lane])
            daily.owe()
            while passed := run_due():
                ran += passed
        return ran

    def run_lane(self, lane: Lane) -> int:
        """Run what is due in this lane until nothing is; how many were run."""
        with self._locks[lane]:
            daily.owe()
            return run_due(lanes=[lane])

    def tick_forever(self, lane: Lane) -> None:
        """Run what is due in this lane every second; a fault is logged and the next second tries again."""
        while True:
            try:
                self.run_lane(lane)
            except Exception as fault:
                log.error("tick_failed", fault)
            time.sleep(_TICK_SECONDS)


def control(worker: Worker, mall_clock: LocalClock) -> Flask:
    """The control port's application."""
    app = Flask("yutang-control")
    only_from_here(app)

    @app.get("/status")
    def status() -> dict[str, Any]:
        counts = queue.counts()
        waiting = {"due": counts.due, "later": counts.later, "dead": counts.dead}
        return {
            "now": clock.stamp(clock.now()), "jobs": waiting, "segments": {"due": count_due()}, "runs": count_runs(),
            "messages": count_messages(),
        }  # fmt: skip

    @app.post("/clock/advance")
    def advance() -> dict[str, Any] | tuple[dict[str, str], int]:
        body = request.get_json(force=True, silent=True)
        seconds = body.get("seconds") if isinstance(body, dict) else None
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= _SECONDS_MAX:
            return {"message": f'expected {{"seconds": a number from 0 to {_SECONDS_MAX}}}'}, 400
        mall_clock.advance(seconds)
        return status()

    @app.post("/jobs/run")
    def run() -> dict[str, int]:
        return {"ran": worker.run()}

    return app


def main() -> None:
    """Work until ended."""
    parser = argparse.ArgumentParser(prog="python -m local.worker", description="The job worker of a local mall.")
    parser.add_argument("--port", type=int, required=True, help="of the control")
    parser.add_argument("--clock", type=Path, required=True, help="file of the mall's clock")
    arguments = parser.parse_args()
    record_if_asked()
    mall_clock = LocalClock(arguments.clock)
    clock.use(mall_clock)
    importlib.import_module("app")  # registers what wings ask of each other, and declares all jobs
    worker = Worker()
    listening = waitress.create_server(
        control(worker, mall_clock), host=HOST, port=arguments.port, threads=_THREADS, ident=None
    )
    for lane in LANES:
        threading.Thread(target=worker.tick_forever, args=(lane,), name=lane.name, daemon=True).start()
    listening.run()


if __name__ == "__main__":
    main()
