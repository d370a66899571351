"""What segments owe to later: to bring lists up to date, to look at whom time may have changed, and at everybody."""

from __future__ import annotations

from datetime import time

from chalicelib.platform.jobs.declarations import MANY, daily, handles, subscribe

_MEMBERSHIP = "chalicelib.growth.segments.membership.service"

#: One member's lists.
SETTLE = handles("segments.settle", f"{_MEMBERSHIP}:settle", MANY, leased=False)
#: Those of a shard whom time may have changed by then; and the rest of them, where they are many.
PASS = handles("segments.pass", f"{_MEMBERSHIP}:pass_due", MANY)
PASS_ON = handles("segments.pass_on", f"{_MEMBERSHIP}:pass_on", MANY)
#: Everybody in a shard of the roster.
BUILD = handles("segments.build", "chalicelib.growth.segments.building.service:build", MANY)
#: A definition that a version of the mall could not read.
READ_AGAIN = handles("segments.read_again", "chalicelib.growth.segments.definitions.service:read_again", MANY)
LIST_AUDIENCE = handles("segments.list_audience", "chalicelib.growth.segments.audiences.service:list_audience", MANY)

COUNT_DAY = daily("segments.count_day", "chalicelib.growth.segments.history.service:count_day", time(0, 0), MANY)
#: What was left undone: passes whose job is gone, and a mall that is older than its segments.
LOOK_AFTER = daily("segments.look_after", "chalicelib.growth.segments.building.service:look_after", time(3, 30), MANY)

subscribe("settings.changed", "segments.follow_settings",
          "chalicelib.growth.segments.building.service:follow_settings", MANY)  # fmt: skip
