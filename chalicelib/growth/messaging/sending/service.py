"""Sending messages."""

from __future__ import annotations

from chalicelib.growth.messaging import queries
from chalicelib.platform.jobs.job import Job


def push(job: Job) -> None:
    """Send a message, where it is to be sent."""
    queries.find(job.key)
