"""One small door to X-Ray; closed unless settings say `trace`, and then nothing of it is imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.core.settings import settings


@contextmanager
def segment(name: str) -> Iterator[None]:
    """Time what runs inside as a subsegment called `name`."""
    if not settings().trace:
        yield
        return
    from aws_xray_sdk.core import xray_recorder  # 29 ms that only a traced mall pays

    with xray_recorder.in_subsegment(name):
        yield
