"""What journeys owe to later: that members come in, that runs go on, and that they hear of what happened."""

from __future__ import annotations

from datetime import time

from chalicelib.platform.jobs.declarations import MANY, daily, handles

_WAKING = "chalicelib.growth.journeys.waking.service"
_WALKING = "chalicelib.growth.journeys.walking.service"

#: What happened to one member, for all their runs, and for journeys that begin by it; and the same for all who have a
#: paid seat in a lobby.
HEAR = handles("journeys.hear", "chalicelib.growth.journeys.hearing.service:hear", MANY)
HEAR_LOBBY = handles("journeys.hear_lobby", "chalicelib.growth.journeys.hearing.service:hear_lobby", MANY)
#: A run that goes on at once; one for which a message or a task has come to its end.
STEP = handles("journeys.step", "chalicelib.growth.journeys.stepping.service:step", MANY, leased=False)
SETTLE = handles("journeys.settle", "chalicelib.growth.journeys.stepping.service:settle", MANY)
#: A member comes into a journey by a step of another.
ENTER = handles("journeys.enter", "chalicelib.growth.journeys.entering.service:enter_by_step", MANY)
#: Runs of a shard whose wait is over by then; and the rest of them, where they are many.
PASS = handles("journeys.pass", f"{_WAKING}:pass_due", MANY)
PASS_ON = handles("journeys.pass_on", f"{_WAKING}:pass_on", MANY)
#: Members of a shard of a segment come in; those of a shard of the roster whose day it is; and when a cron says so.
ENTER_SEGMENT = handles("journeys.enter_segment", f"{_WALKING}:enter_segment", MANY)
ENTER_BORN = handles("journeys.enter_born", f"{_WALKING}:enter_born", MANY)
ENTER_JOINED = handles("journeys.enter_joined", f"{_WALKING}:enter_joined", MANY)
FOLLOW_SCHEDULE = handles("journeys.follow_schedule", f"{_WALKING}:follow_schedule", MANY)

#: Whose day it is.
BEGIN_DAY = daily("journeys.begin_day", f"{_WALKING}:begin_day", time(0, 0), MANY)
#: What was left undone: passes whose job is gone, and runs that failed.
LOOK_AFTER = daily("journeys.look_after", f"{_WAKING}:look_after", time(3, 45), MANY)

#: Walks through those who are in a journey, shard by shard; members of an audience whom an operator lets in.
MOVE = handles("journeys.move", "chalicelib.growth.journeys.moving.service:move_on", MANY)
ENROL = handles("journeys.enrol", "chalicelib.growth.journeys.enrolling.service:enrol_on", MANY)
#: Journeys that end with the last who is in them.
END_EMPTY = daily("journeys.end_empty", "chalicelib.growth.journeys.moving.service:end_those_that_are_empty",
                  time(4, 0), MANY)  # fmt: skip
