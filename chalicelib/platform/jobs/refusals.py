"""The names of the fields that come in about jobs. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels

FIELDS: Labels = {
    "job_id": ("失败任务", "dead job"),
}
