"""docs/cost.md says what was measured, times a stated traffic, times AWS's prices; and nothing else."""

from __future__ import annotations

import functools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cost import cost_page, fronts, journeys_page, quotas, traffic, usage
from bench.cost.usage import Mall, Price, awake_seconds, bill, duration_ms, step_usage
from bench.package.stack import beginnings
from bench.units.figures import SENT, Meeting, Step
from bench.units.request_units import Index, index_writes
from bench.units.scenario import family
from chalicelib.core.settings import Settings
from chalicelib.growth.messaging.limits.rules import MediaRules
from chalicelib.platform.jobs.declarations import OUTSIDE
from chalicelib.platform.jobs.timers import GRAIN_MS
from infra.functions import BATCHES_AT_ONCE
from local.processes import ROOT

MEASURED, PRICES = usage.measured(), usage.prices()
HOME = "ap-southeast-1"
STEP = Step(
    name="place order", function="api", times=1, trips=3, transactions=1, reads=7, writes=10, index_writes=2, wechat=1,
    cpu_ms=4, log_lines=2, log_bytes=600, sent_bytes=424,
)  # fmt: skip

orders_a_day = st.floats(min_value=0, max_value=10_000_000)


@functools.cache
def mall(region: str = HOME) -> Mall:
    return Mall(MEASURED, region)


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    assert written == cost_page.page(MEASURED, PRICES), "run: python -m bench.cost"


def test_the_readers_outside_send_no_more_refunds_at_once_than_wechat_takes() -> None:
    near = mall("cn-north-1")
    refunds = [step for _, step in near.order_steps() if step.name == "job: orders.push_refund"]
    each = min(duration_ms(refund, near.memory[refund.function], near.region) for refund in refunds) / 1000
    assert quotas.STREAM_SHARDS * BATCHES_AT_ONCE[OUTSIDE] / each <= 150
    assert [one.at_once for one in quotas.workers(near) if one.function == "run-owed-calls"] == [12]


def test_the_page_shows_every_assumption() -> None:
    page = cost_page.page(MEASURED, PRICES)
    assumed = {price.assumed for each in PRICES.prices.values() for price in each.regions.values() if price.assumed}
    assert len(assumed) > 5
    assert [each for each in assumed if f"**assumed**: {each}" not in page] == []
    taken = [*traffic.VISIT.values(), *traffic.ORDER.values(), *traffic.KINDS.values(), *traffic.WECHAT_MS.values()]
    taken += [each for each in vars(traffic).values() if isinstance(each, traffic.Taken)]
    assert [each for each in taken if f"| {each.number:g} | {each.why} |" not in page] == []


def test_the_traffic_asks_for_what_was_measured() -> None:
    visited = {step.name for step in MEASURED.lives.visit.steps}
    ordered = {step.name for life in MEASURED.lives.orders for step in life.steps}
    assert visited == set(traffic.VISIT | traffic.VISIT_JOBS)
    assert set(traffic.ORDER) <= ordered
    assert {life.name for life in MEASURED.lives.orders} == set(traffic.KINDS)
    paid = sum(taken.number for name, taken in traffic.KINDS.items() if name != "not paid")
    assert paid == pytest.approx(1)


def test_the_client_guide_says_how_often_each_call_is_needed() -> None:
    guide = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    table = guide.partition("## What a visit needs")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert {row[0]: float(row[2]) for row in rows} == {name: taken.number for name, taken in traffic.VISIT.items()}


def test_every_price_has_every_region() -> None:
    for name, priced in PRICES.prices.items():
        assert set(priced.regions) == set(PRICES.regions), name
        assert all(price.source or price.assumed for price in priced.regions.values()), name


# The arithmetic, by hand


@pytest.mark.parametrize(
    ("memory", "cpu_ms"), [(1769, 4.0), (884.5, 8.0), (3538, 4.0)], ids=["a vCPU", "half of one", "two"]
)
def test_cpu_takes_longer_where_there_is_less_of_it(memory: float, cpu_ms: float) -> None:
    waits = 2 * traffic.TRIP_MS.number + traffic.TRANSACTION_MS.number + traffic.WECHAT_MS[HOME].number
    assert duration_ms(STEP, memory, HOME) == pytest.approx(cpu_ms + waits)


def test_a_call() -> None:
    used = step_usage(STEP, HOME, {"api": 1769}, cold_ms=500)
    seconds = 0.274 + 0.002 * 0.5  # 4 + 2 * 5 + 10 + 250 ms; two cold starts in a thousand
    assert used == pytest.approx(
        {
            "dynamodb_read": 7, "dynamodb_write": 12, "lambda_request": 1, "api_request": 1, "waf_request": 1,
            "lambda_gb_second": seconds * 1769 / 1024, "trace": 0.01, "log_gb": (600 + 2 * 26 + 180 + 26) / 2**30,
            "sent_gb": (424 + 600) / 2**30,
        }
    )  # fmt: skip


def test_a_job_of_a_schedule_is_no_invocation() -> None:
    job = msgspec.structs.replace(STEP, function="run-due-jobs", wechat=0)
    used = step_usage(job, HOME, {"run-due-jobs": 1769}, cold_ms=500)
    assert used == pytest.approx({"dynamodb_read": 7, "dynamodb_write": 12, "lambda_gb_second": 0.024 * 1769 / 1024})


def test_a_bill() -> None:
    used = {"dynamodb_write": 2e6, "dynamodb_read": 1e6, "alarm": 10, "log_gb": 3}
    assert bill(used, HOME, PRICES) == pytest.approx({"DynamoDB requests": 2 * 0.71 + 0.1425, "CloudWatch": 1 + 2.1})


def test_a_price_in_steps() -> None:
    price = Price(price=[(10, 4.0), (30, 3.0), (None, 1.0)])
    assert [price.of(amount) for amount in (0, 5, 10, 20, 30, 40)] == [0, 20, 40, 70, 100, 110]
    assert (price.first, Price(price=2.5).first) == (4.0, 2.5)
    assert Price(price=2.5).of(4) == 10


@pytest.mark.parametrize(("due_a_minute", "seconds"), [(0, 0), (0.1, 3), (1, 25), (10, 59), (1e9, 65)])
def test_how_long_a_worker_is_awake(due_a_minute: float, seconds: float) -> None:
    assert awake_seconds(due_a_minute) == pytest.approx(seconds, abs=0.6)


def test_the_resources_of_an_api() -> None:
    paths = ["/v1/orders", "/v1/orders/{order_id}", "/v1/orders/{order_id}/pay", "/openapi.json"]
    assert beginnings(paths) == {"/", "/v1", *paths}


def test_a_list_of_forty_cards_is_one_call_and_as_much_as_two_of_twenty() -> None:
    (measured,) = [step for step in MEASURED.lives.visit.steps if step.name == "product list"]
    ((times, step),) = [each for each in mall().visit_steps() if each[1].name == "product list"]
    assert (step.reads, step.sent_bytes, step.cpu_ms) == (
        2 * measured.reads,
        2 * measured.sent_bytes,
        2 * measured.cpu_ms,
    )
    assert mall().of([(times, step)])["api_request"] == traffic.VISIT["product list"].number


# What the mall may cost


def monthly(used: usage.Usage) -> tuple[float, float]:
    """Dollars a month, and with X-Ray off."""
    services = bill(used, HOME, PRICES)
    return sum(services.values()), sum(services.values()) - services["X-Ray"]


def test_ten_thousand_orders_a_day_cost_no_more_than_this() -> None:
    traced, untraced = monthly(mall().month(10_000))
    assert traced <= 620
    assert untraced <= 605


def test_with_the_catalogue_on_a_cdn_they_cost_no_more_than_this() -> None:
    assert max(monthly(fronts.on_cdn(mall(), 10_000, traffic.CDN_SECONDS.number))) <= 385


# The catalogue on a CDN


def test_each_cache_of_the_cdn_asks_again_with_the_first_that_comes_when_an_answer_is_too_old() -> None:
    caches = traffic.CDN_CACHES.number
    assert fronts.missed_a_second(asked=1, different=1, seconds=60) == pytest.approx(caches / (60 + caches))
    # Of two answers one is asked for twice as often as the other.
    both = caches / (60 + caches / 2) + caches / (60 + caches / 1)
    assert fronts.missed_a_second(asked=3, different=2, seconds=60) == pytest.approx(both)


@given(st.floats(0, 1e5), st.integers(1, 500), st.floats(0, 3600))
def test_a_cdn_asks_no_more_than_it_is_asked(asked: float, different: int, seconds: float) -> None:
    missed = fronts.missed_a_second(asked, different, seconds)
    assert 0 <= missed <= asked * (1 + 1e-9)
    assert fronts.missed_a_second(asked, different, 0) == pytest.approx(asked)
    assert missed <= traffic.CDN_CACHES.number * different / max(seconds, 1e-9)


@settings(deadline=None)
@given(st.floats(0.1, 1e6))
def test_what_the_cdn_answers_the_api_is_not_asked(orders: float) -> None:
    directly, by_cdn = mall().month(orders), fronts.on_cdn(mall(), orders, 300)
    catalogue = sum(traffic.VISIT[name].number for name in traffic.ANSWERS) * traffic.VISITS_PER_ORDER.number
    assert by_cdn["cdn_request"] == pytest.approx(catalogue * orders * traffic.DAYS)
    answered = by_cdn["cdn_request"] * fronts.hit_share(mall(), orders, 300)
    assert directly["api_request"] - by_cdn["api_request"] == pytest.approx(answered)
    assert by_cdn["sent_gb"] + by_cdn["cdn_gb"] == pytest.approx(directly["sent_gb"])
    assert min(by_cdn.values()) >= 0


def test_a_load_balancer_is_paid_by_the_hour_and_by_what_takes_up_most_of_it() -> None:
    used, calls = fronts.behind_alb(mall(), 10_000), mall().month(10_000)["api_request"]
    assert "api_request" not in used
    assert used["alb_hour"] == 720
    assert used["lcu_hour"] == pytest.approx(calls / 2_592_000 / 25 * 720)  # each call a new connection, 25 a second


# What holds for any number of orders


@settings(deadline=None)
@given(orders_a_day, orders_a_day)
def test_what_orders_use_adds_up(one: float, other: float) -> None:
    home = mall()
    apart, together, nobody = [home.month(one), home.month(other)], home.month(one + other), home.month(0)
    for name in ("dynamodb_write", "api_request", "waf_request", "sent_gb", "dynamodb_gb"):
        both = sum(used[name] for used in apart)
        assert together[name] + nobody.get(name, 0) == pytest.approx(both, rel=1e-6, abs=1e-6), name


@pytest.mark.parametrize("region", PRICES.regions)
@settings(deadline=None)
@given(fewer=orders_a_day, more=orders_a_day)
def test_nothing_is_below_zero_and_more_orders_cost_more(region: str, fewer: float, more: float) -> None:
    fewer, more = sorted((fewer, more))
    used = [mall(region).month(size) for size in (fewer, more)]
    assert min(amount for month in used for amount in month.values()) >= 0
    less, most = (sum(bill(month, region, PRICES).values()) for month in used)
    # A worker that is at work has no naps to pay.
    naps = bill(mall(region).schedules(10_000), region, PRICES)
    assert 0 < less <= most + sum(naps.values())


@given(st.floats(min_value=0, max_value=1e12), st.floats(min_value=0, max_value=1e12))
def test_a_price_in_steps_never_costs_more_than_its_first(one: float, other: float) -> None:
    price = PRICES.prices["api_request"].regions[HOME]
    assert 0 <= price.of(one) <= one * price.first * (1 + 1e-9)
    assert price.of(min(one, other)) <= price.of(max(one, other)) * (1 + 1e-9)


# Journeys and messages


@pytest.mark.parametrize("region", PRICES.regions)
def test_very_many_come_into_a_journey_and_wake_within_what_that_may_take(region: str) -> None:
    for bounds in (journeys_page.entry(mall(region)), journeys_page.each_alone(mall(region))):
        assert max(bounds.values()) <= journeys_page.ENTRY_MINUTES * 60
    assert max(journeys_page.wakes(mall(region)).values()) + GRAIN_MS / 1000 <= journeys_page.WAKE_MINUTES * 60


def test_a_ladder_costs_little_beside_its_sms() -> None:
    used = journeys_page.used(mall("cn-north-1"), journeys_page.LADDER)
    sms_yuan = journeys_page.LADDER[SENT] * MediaRules().sms_fen / 100
    assert 0 < sum(bill(used, "cn-north-1", PRICES).values()) < 0.02 * sms_yuan


# Where orders meet


@pytest.mark.parametrize(
    ("partition", "same"),
    [
        ("awaiting_payment#3", "awaiting_payment#<shard>"),
        ("2026-11-21#0", "<day>#<shard>"),
        ("s12", "s<shard>"),
        ("m12", "m<shard>"),
        ("admin/2026-11-21", "admin/<day>"),
        ("all#sales", "all#sales"),
        ("oq4smzvtqjvzxk2c6jyxw3z7ab", "oq4smzvtqjvzxk2c6jyxw3z7ab"),
    ],
)
def test_shards_and_days_of_a_partition_are_one_family(partition: str, same: str) -> None:
    assert family(partition) == same


def test_a_moved_entry_is_written_in_both_partitions() -> None:
    index = Index(frozenset({"queue", "placed"}), frozenset({"queue", "placed", "id"}), "by_queue", "queue")
    before = {"id": {"S": "1"}, "queue": {"S": "unpaid#0"}, "placed": {"S": "t"}, "more": {"S": "x" * 5000}}
    after = before | {"queue": {"S": "paid#0"}}
    assert [(entry["queue"]["S"], units) for entry, units in index_writes(index, before, after)] == [
        ("unpaid#0", 1.0), ("paid#0", 1.0)
    ]  # fmt: skip
    assert index_writes(index, before, before | {"more": {"S": ""}}) == []


def test_shards_share_what_a_partition_takes() -> None:
    found = quotas._limit(Meeting("orders.by_queue", "paid#<shard>", True, 2.0))
    assert (found.shards, found.orders_a_second) == (Settings().order_shards, 1000 * Settings().order_shards / 2)
    assert "`YUTANG_ORDER_SHARDS`" in found.answer


def test_a_new_place_where_orders_meet_says_that_nothing_answers_it() -> None:
    found = quotas._limit(Meeting("something.new", "all", False, 4.0))
    assert (found.orders_a_second, found.answer) == (250, "nothing does yet")


def test_what_every_order_meets_is_in_shards() -> None:
    every = [limit for limit in quotas.limits(mall()) if limit.who == "every order"]
    assert {limit.place for limit in every} == {"jobs", "jobs_of_many", "orders.by_queue"}
    assert all(limit.shards > 1 for limit in every)


def test_what_every_visit_reads_is_remembered_for_a_second() -> None:
    """The first page of the list is read by everybody: only memory keeps it below what a partition gives."""
    hottest = quotas.readings(mall())[0]
    busiest = quotas.peak(mall(), max(traffic.SIZES))
    assert (hottest.place, hottest.pattern) == ("listings", "all#default")
    assert hottest.visits_a_second == pytest.approx(quotas.PARTITION_READS / hottest.reads)
    assert busiest.concurrency * hottest.remembered < quotas.PARTITION_READS
