"""Names the operator whom every local mall has from the first moment."""

from __future__ import annotations

NAME = "admin"
PASSWORD = "admin"  # noqa: S105 - of a mall on this machine, and its banner says so
