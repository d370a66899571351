"""What the audit says of activities: only what is overdue, and no sooner than it is."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from chalicelib.commerce.orders.rules import Seat
from chalicelib.growth.groupbuy.checks import audit
from chalicelib.growth.groupbuy.lottery.checks import Drawing
from chalicelib.growth.groupbuy.rules import Lobby, Lottery
from tests.support.orders import line, order
from tests.unit.test_group_rules import NOW, activity, lobby, terms

DAY = timedelta(days=1)
DRAWN = activity(lottery=Lottery(winners=1, per="activity"), ends_at=NOW)


def told(now: datetime, *lobbies: Lobby, drawn: list[str] | None = None) -> list[str]:
    """What is said of the activity and of an order that waits for its draw."""
    waits = order(line("a", 1, 100), state="awaiting_group")
    seat = Seat(lobby_id="g0", activity_id=DRAWN.activity_id, size=3, leader=False, state="taken")
    waits = replace(waits, group=seat)
    found = audit([waits], lobbies, [], drawings=[Drawing(activity=DRAWN, drawn=drawn)], now=now)
    return [one.what for one in found if "draw" in one.what]


def of_activity(expires_at: datetime, finished: bool = False) -> Lobby:
    return lobby(terms=terms(lottery=DRAWN.lottery), expires_at=expires_at, finished=finished)


@pytest.mark.parametrize(
    ("lobbies", "due"),
    [
        ([], NOW + DAY),
        ([of_activity(NOW + 10 * DAY)], NOW + 11 * DAY),
        ([of_activity(NOW + 10 * DAY, finished=True)], NOW + DAY),
        ([of_activity(NOW - DAY)], NOW + DAY),
    ],
)
def test_a_draw_is_overdue_a_day_after_the_last_lobby_that_it_waits_for(lobbies: list[Lobby], due: datetime) -> None:
    assert told(due, *lobbies) == []
    assert told(due + timedelta(seconds=1), *lobbies) == [f"ended at {due - DAY:%Y-%m-%d %H:%M}, and is not drawn"]


def test_a_draw_that_was_made_has_come_to_every_order_a_day_later() -> None:
    assert told(NOW + DAY, drawn=["o2"]) == []
    assert "still waits for a draw that was made" in told(NOW + 2 * DAY, drawn=["o2"])
