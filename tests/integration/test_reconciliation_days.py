"""Yesterday is compared every morning by itself, once; and a day again when an operator asks for it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from chalicelib.commerce.orders.payment import service as payment
from chalicelib.core import clock
from chalicelib.insight.reconciliation.jobs import OWE_RUNS
from chalicelib.platform.jobs import daily, worker
from chalicelib.platform.jobs.declarations import daily_kinds
from chalicelib.platform.jobs.tables import DEAD, Jobs
from chalicelib.platform.store import read
from local.jobs import forget_all
from tests.support.jobs import stored, taken
from tests.support.reconciliation import PRICE, Shop


def run_until(shop: Shop, day: date, hour: int, minute: int) -> None:
    """Work until that time as the worker of a mall does."""
    daily.owe()
    shop.at(day, hour, minute)
    daily.owe()
    worker.run_due()


def days_compared(shop: Shop) -> list[str]:
    return [one["day"] for one in shop.operator.get("/v1/admin/reconciliation/days?limit=100").ok()["items"]]


def test_yesterday_is_compared_every_morning(shop: Shop) -> None:
    day = shop.today
    first = day - timedelta(days=1)
    run_until(shop, day + timedelta(days=1), 10, 4)
    assert days_compared(shop) == []
    run_until(shop, day + timedelta(days=1), 10, 5)
    assert days_compared(shop)[:2] == [str(day), str(first)]
    assert len(days_compared(shop)) == 7  # what was left out before is made up for
    for ahead in (2, 3):
        run_until(shop, day + timedelta(days=ahead), 10, 6)
        assert days_compared(shop)[0] == str(day + timedelta(days=ahead - 1))
    run_until(shop, day + timedelta(days=6), 9, 0)  # two mornings on which nobody worked
    run_until(shop, day + timedelta(days=6), 10, 6)
    compared = days_compared(shop)
    assert compared[:6] == [str(day + timedelta(days=ahead)) for ahead in (5, 4, 3, 2, 1, 0)]
    assert len(set(compared)) == len(compared)


def mornings() -> list[Jobs]:
    """The jobs of comparing that are owed."""
    return [item for item in stored() if item.task.kind == OWE_RUNS.name]


def test_the_next_morning_is_owed_once_by_however_many_in_whatever_state(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):  # three processes
        monkeypatch.setattr(daily, "_owed", {})
        daily.owe()
    (job,) = mornings()
    assert job.due.startswith(
        clock.stamp(datetime.combine(shop.today, daily_kinds()[OWE_RUNS], clock.SHANGHAI) + timedelta(days=1))
    )
    daily.owe()
    forget_all()  # as after a table was lost: another process owes it anew
    daily.owe()
    assert mornings() == []
    monkeypatch.setattr(daily, "_owed", {})
    daily.owe()
    assert len(mornings()) == 1


def test_a_job_that_is_being_done_is_left_alone(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    daily.owe()
    (job,) = mornings()
    held = taken(job)
    monkeypatch.setattr(daily, "_owed", {})
    daily.owe()
    assert [one.lease for one in mornings()] == [held.lease]


def test_bills_that_are_late_are_waited_for(shop: Shop) -> None:
    day = shop.today
    order_id = shop.paid()
    shop.settle()
    shop.spoil(day, "creating")
    run_until(shop, day + timedelta(days=1), 10, 5)
    assert str(day) not in days_compared(shop)
    for _ in range(worker.ATTEMPTS_MAX + 1):
        shop.clock.advance(901)
        worker.run_due()
    assert read.query(Jobs, DEAD)[0] == []
    shop.repair(day)
    shop.clock.advance(901)
    worker.run_due()
    assert str(day) in days_compared(shop)
    assert all(one["number"] != order_id for one in shop.differences())


def test_time_heals_what_it_can(shop: Shop) -> None:
    """A payment that the mall learns of after the comparison: the next morning looks at that day again."""
    day = shop.today
    untold = shop.paid(told=False)
    forget_all()  # nobody asks WeChat either
    run_until(shop, day + timedelta(days=1), 10, 5)
    assert shop.told(day) == {("state", "payment", untold, None, PRICE)}
    assert payment.ask(untold) in payment.PAID_WORDS
    run_until(shop, day + timedelta(days=2), 10, 5)
    assert shop.differences() == []
    assert [one["reason"] for one in shop.differences("closed")] == ["resolved"]


def test_an_operator_has_a_day_compared_again(shop: Shop) -> None:
    day = shop.today
    shop.paid()
    shop.next_morning(day)
    path = f"/v1/admin/reconciliation/days/{day}/run"
    assert shop.operator.post(path).ok(202) == {"day": str(day)}
    worker.run_due()
    assert days_compared(shop) == [str(day)]


@pytest.mark.parametrize(("ahead", "code"), [(0, "invalid"), (1, "invalid"), (-81, "invalid")])
def test_a_day_without_a_bill_cannot_be_compared(shop: Shop, ahead: int, code: str) -> None:
    day = shop.today + timedelta(days=ahead)
    answer = shop.operator.post(f"/v1/admin/reconciliation/days/{day}/run")
    answer.refused(422, code)
    assert (answer.json["errors"][0]["field"], answer.json["errors"][0]["code"]) == ("day", "no_bill_of_day")
    assert answer.json["detail"] == "只能对账最近 80 天内、今天以前的日期"
    assert stored() == []


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "20261121", "2026-W47-6"])
def test_what_is_no_day_is_refused(shop: Shop, day: str) -> None:
    answer = shop.operator.post(f"/v1/admin/reconciliation/days/{day}/run")
    answer.refused(400, "malformed")
    assert stored() == []


def test_the_time_of_the_next_morning() -> None:
    at = daily_kinds()[OWE_RUNS]
    for now, due in (
        (datetime(2026, 11, 22, 2, 4, 59, tzinfo=UTC), datetime(2026, 11, 22, 2, 5, tzinfo=UTC)),
        (datetime(2026, 11, 22, 2, 5, tzinfo=UTC), datetime(2026, 11, 23, 2, 5, tzinfo=UTC)),
        (datetime(2026, 11, 21, 23, 0, tzinfo=UTC), datetime(2026, 11, 22, 2, 5, tzinfo=UTC)),
    ):
        assert daily.following(now, at) == due
