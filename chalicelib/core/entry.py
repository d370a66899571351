"""What every schedule and stream handler goes through, because Chalice runs no middleware for them: id, log, trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib.core import clock, log, metrics
from chalicelib.core.trace import segment

#: Left of the function's time for the job that was begun last: two calls to WeChat at their longest, and the commit.
#: The time-outs in .chalice/config.json and the lease of jobs count with it.
_MARGIN_SECONDS = 18.0


@contextmanager
def entry(name: str, context: Any) -> Iterator[Callable[[], float]]:
    """Run one invocation of the handler `name`; gives the seconds that are left of Lambda's time-out.

    A fault is logged and raised again: the platform counts it, alarms on it and repeats the invocation.
    """
    marker = log.request_id.set(getattr(context, "aws_request_id", "-"))
    started = clock.monotonic()

    def left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000 - _MARGIN_SECONDS

    try:
        with segment(name), metrics.gather():
            yield left
        log.info("handled", handler=name, seconds=round(clock.monotonic() - started, 3))
    except Exception as fault:
        log.error("handler_failed", fault, handler=name)
        raise
    finally:
        log.request_id.reset(marker)
