"""One small door to X-Ray; closed unless settings say `trace`, and then nothing of it is imported.

A trace has names and times, and of what failed the exception's type: texts may hold secrets (core/log.py), such as the
addresses that are called.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.core.settings import settings


@contextmanager
def segment(name: str) -> Iterator[None]:
    """Time what runs inside as a subsegment called `name`; a fault when an exception leaves it."""
    if not settings().trace:
        yield
        return
    from aws_xray_sdk.core import xray_recorder  # 29 ms that only a traced mall pays

    subsegment = xray_recorder.begin_subsegment(name)
    if subsegment is None:  # nobody traces this invocation
        yield
        return
    try:
        yield
    except BaseException as error:
        # Not by the recorder's own context manager, which writes down what the exception says.
        subsegment.add_fault_flag()
        subsegment.put_annotation("error_type", type(error).__name__)
        raise
    finally:
        xray_recorder.end_subsegment()
