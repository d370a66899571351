"""What settings tell."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import event

#: A section has been changed: its name, and the version that it has now.
CHANGED = event("settings.changed")
