"""Where a life is measured: each call and each job of it on its own, with the mall's clock moved from one to the next.

Jobs are run as Lambda runs them: one that is owed at once by the stream's function, one that is due later by the
schedule's, each lane's by its own. Nothing looks for them, so that a job costs what it costs itself; the looking is
measured apart (`bench/units/scenario.py`).
"""

from __future__ import annotations

import gzip
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bench.units.recorder import Recorder, Trip
from chalicelib.commerce.orders.settings import order_rules
from chalicelib.commerce.pricing import queries as pricing_queries
from chalicelib.core import clock
from chalicelib.core.entry import entry
from chalicelib.gateways.sms import http as sms
from chalicelib.gateways.wechat import http, mini
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.platform.jobs import queue, worker
from chalicelib.platform.jobs.declarations import OUTSIDE, Lane
from chalicelib.platform.jobs.queue import due_at
from chalicelib.platform.jobs.tables import Jobs, table_of
from chalicelib.platform.store import cache, read
from infra.functions import FUNCTIONS
from local.client import Answer, Transport
from local.clock import LocalClock

#: API Gateway compresses from here on (.chalice/config.json, minimum_compression_size).
_COMPRESSED_FROM = 1024
_MINUTE = 60
#: A kind of job that comes again and again for ever would never let a life end.
_JOBS_MAX = 1000


@dataclass
class Sample:
    """One call or one job: which function ran it, and what it took; a call to a vendor of SMS counts as one to WeChat.
    Bytes are those of log lines, and of the answer's body as it is sent."""

    name: str
    function: str
    trips: list[Trip] = field(default_factory=list)
    cpu_ms: float = 0.0
    wechat: int = 0
    log_lines: int = 0
    log_bytes: int = 0
    sent_bytes: int = 0


class _Lines(logging.Handler):
    """Counts the lines of the log instead of writing them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = self.bytes = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += 1
        self.bytes += len(record.getMessage().encode())


class Invocation:
    """What Lambda tells a function about its invocation."""

    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds left."""
        return 60_000


class Meter:
    """Measures request units, or CPU where it has no recorder: recording reads every item that is written twice more,
    which would be CPU of its own."""

    def __init__(self, send: Transport, mall_clock: LocalClock, recorder: Recorder | None) -> None:
        self._to_app, self._clock, self.recorder = send, mall_clock, recorder
        self.samples: list[Sample] = []
        self._lines = _Lines()
        self._wechat = self._sent = 0

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        """A transport to the application in this process, which counts what comes back."""
        answer = self._to_app(method, path, headers, body)
        whole = len(answer.body)
        self._sent += len(gzip.compress(answer.body)) if whole >= _COMPRESSED_FROM else whole
        return answer

    def call(self, name: str, work: Callable[[], Any]) -> Any:
        """Make a call of the API, in a busy process that meets this product for the first time."""
        return self.measure(name, "api", work)

    def measure(self, name: str, function: str, work: Callable[[], Any]) -> Any:
        """What the work gives; what it took is in `samples`."""
        _know_the_rules()
        sample = Sample(name, function)
        with self._counted(sample):
            if self.recorder is None:
                begun = time.thread_time()
                result = work()
                sample.cpu_ms = (time.thread_time() - begun) * 1000
            else:
                with self.recorder.recording() as trips:
                    result = work()
                sample.trips = trips
        self.samples.append(sample)
        return result

    @contextmanager
    def _counted(self, sample: Sample) -> Iterator[None]:
        logger, before, send, post = logging.getLogger("yutang"), self._lines.lines, http.send, sms.post
        bytes_before, self._sent, self._wechat = self._lines.bytes, 0, 0

        def counted(*arguments: Any, **options: Any) -> Any:
            self._wechat += 1
            return send(*arguments, **options)

        def counted_sms(*arguments: Any, **options: Any) -> Any:
            self._wechat += 1
            return post(*arguments, **options)

        handlers, logger.handlers, logger.propagate = logger.handlers, [self._lines], False
        logger.setLevel(logging.INFO)
        http.send, sms.post = counted, counted_sms
        try:
            yield
        finally:
            http.send, sms.post, logger.handlers = send, post, handlers
            sample.wechat, sample.sent_bytes = self._wechat, self._sent
            sample.log_lines = self._lines.lines - before
            sample.log_bytes = self._lines.bytes - bytes_before

    def live(self, **span: float) -> None:
        """Let so much time go by (as a timedelta has it), and every job that comes due in it be run."""
        end = clock.now() + timedelta(**span)
        for _ in range(_JOBS_MAX):
            waiting = sorted(((_runs_at(job), job.due, job) for job in _stored()), key=lambda found: found[:2])
            if not waiting or waiting[0][0] > end:
                self._until(end)
                return
            at, _, job = waiting[0]
            self._until(at)
            self.run(job)
        raise AssertionError(f"jobs without end: {job.task.kind}")

    def _until(self, instant: datetime) -> None:
        self._clock.advance(max(0.0, (instant - clock.now()).total_seconds() + 0.001))

    def run(self, job: Jobs) -> None:
        """Run a job, as the function does that it is for."""
        wakes, lane = "stream" if job.at_once else "schedule", Lane(job.shard[0])
        function = next(one.name for one in FUNCTIONS if one.wakes == wakes and one.lane is lane)

        def work() -> None:
            if not job.at_once:  # one of many that the schedule's worker runs
                assert worker.run_one(job)
                return
            with entry(function, Invocation()):
                assert worker.run_one(job)

        self.measure(f"job: {job.task.kind}", function, work)


def _know_the_rules() -> None:
    """What every call asks for is known, as in a busy process, and WeChat's token; nothing of the catalogue is."""
    mini.account.access_token()
    cache.forget("catalogue")
    pricing_queries.templates()
    order_rules()
    DISTRIBUTION.current()
    definitions.book()


def _stored() -> list[Jobs]:
    return [job for shard in queue.shards() for job in read.query_all(table_of(shard), shard, consistent=True)]


def _runs_at(job: Jobs) -> datetime:
    """At once by the stream; at its second by who looks ahead; outside, with the next full minute's schedule."""
    due = due_at(job.due)
    if job.at_once or not job.shard.startswith(OUTSIDE):
        return due
    seconds = -(-due.timestamp() // _MINUTE) * _MINUTE
    return clock.from_ms(int(seconds * 1000))
