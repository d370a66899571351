"""What a mall uses and what that costs: measured request units, CPU and bytes (bench/results.json), times a stated
traffic (bench/cost/traffic.py), times AWS's prices (bench/cost/prices.json).

A usage is how much is used of what has a price, by the price's name in bench/cost/prices.json. Money is in the currency
of the region. A GB is 2**30 bytes, a month 30 days.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from bench.cost import traffic
from bench.package.cold import Cold
from bench.package.stack import Stack
from bench.units.figures import Journeys, Life, Lives, Merged, Segments, Step
from infra import alarms, firewall, permissions
from infra.functions import FUNCTIONS

ROOT = Path(__file__).resolve().parent.parent.parent
PRICES = ROOT / "bench" / "cost" / "prices.json"
STAGE = "prod"

GB = 2**30
_MB_PER_GB = 1024
DAY_SECONDS = 86400
DAY_MINUTES = 1440
MONTH_HOURS = traffic.DAYS * 24
#: Secrets that are there where a merchant has an official account, tells an advertising platform, or sends SMS: not in
#: the bill.
OPTIONAL_SECRETS = (
    "wechat_oa_secret", "wechat_oa_message_token", "wechat_oa_message_key", "ads_token", "sms_key",
    "sms_callback_token",
)  # fmt: skip
#: For so long a worker inside looks ahead (docs/decisions/0009-lanes-and-the-second.md), and so long are its naps.
WINDOW_SECONDS = 65.0
NAP_SECONDS = 2.0
#: Of moments at which something is due, more than one in a second are one.
_MOMENTS_MAX = 60.0

Usage = dict[str, float]


class Measured(msgspec.Struct, kw_only=True):
    """What is needed of bench/results.json."""

    cold: Cold
    stack: Stack
    lives: Lives
    segments: Segments
    merge: Merged
    journeys: Journeys


class Price(msgspec.Struct, kw_only=True):
    """What `per` of it cost in a region: one price, or steps (up to so many a month; None: any more), and where it is
    from. `assumed` says why, where it was not found for that region."""

    price: float | list[tuple[float | None, float]]
    source: str = ""
    assumed: str = ""

    @property
    def first(self) -> float:
        """The price of the first ones."""
        return self.price[0][1] if isinstance(self.price, list) else self.price

    def of(self, amount: float) -> float:
        """What so much costs in a month; the amount and its steps in units of `per`."""
        if not isinstance(self.price, list):
            return amount * self.price
        cost, below = 0.0, 0.0
        for up_to, price in self.price:
            top = amount if up_to is None else min(amount, up_to)
            cost += max(0.0, top - below) * price
            below = max(below, top)
        return cost


class Priced(msgspec.Struct, kw_only=True):
    """Something that has a price: whose service it is, its unit, and how many of these a price is for."""

    service: str
    unit: str
    per: float
    regions: dict[str, Price]


class Region(msgspec.Struct):
    """A region of AWS."""

    name: str
    currency: str
    sign: str


class Prices(msgspec.Struct, kw_only=True):
    """bench/cost/prices.json."""

    looked_up: str
    regions: dict[str, Region]
    prices: dict[str, Priced]


def measured(file: Path = ROOT / "bench" / "results.json") -> Measured:
    """What was measured last."""
    return msgspec.json.decode(file.read_bytes(), type=Measured)


def prices(file: Path = PRICES) -> Prices:
    """The price list."""
    return msgspec.json.decode(file.read_bytes(), type=Prices)


def memory_mb() -> dict[str, int]:
    """What each function has, by .chalice/config.json."""
    config = msgspec.json.decode((ROOT / ".chalice" / "config.json").read_bytes())
    own = config["stages"][STAGE]["lambda_functions"]
    default = config["lambda_memory_size"]
    return {each.name: own.get(each.name, {}).get("lambda_memory_size", default) for each in FUNCTIONS}


# Usage


def added(parts: Iterable[tuple[float, Usage]]) -> Usage:
    """So many times each usage, together."""
    total: Usage = defaultdict(float)
    for times, usage in parts:
        for name, amount in usage.items():
            total[name] += times * amount
    return dict(total)


def duration_ms(step: Step, memory: float, region: str) -> float:
    """How long a function with so many MB takes for it: its CPU, slower below one vCPU, and its waits."""
    waits = (
        (step.trips - step.transactions) * traffic.TRIP_MS.number
        + step.transactions * traffic.TRANSACTION_MS.number
        + step.wechat * traffic.WECHAT_MS[region].number
    )
    return step.cpu_ms * max(1.0, traffic.VCPU_MB.number / memory) + waits


def units(step: Step) -> Usage:
    """Its request units."""
    return {"dynamodb_read": step.reads, "dynamodb_write": step.writes + step.index_writes}


def step_usage(step: Step, region: str, memory: Mapping[str, int], cold_ms: float) -> Usage:
    """One call, or one job; a schedule's job is one of many in an invocation, which `Mall.schedules` counts."""
    size = memory[step.function]
    seconds = duration_ms(step, size, region) / 1000
    usage = units(step) | {"lambda_gb_second": seconds * size / _MB_PER_GB}
    if step.function.startswith("run-due"):
        return usage
    seconds += traffic.COLD_SHARE.number * cold_ms / 1000
    lines = step.log_bytes + step.log_lines * traffic.LINE_BYTES.number
    traced = traffic.TRACED_SHARE if step.function == "api" else traffic.TRACED_DEFAULT
    usage |= {
        "lambda_request": 1.0,
        "lambda_gb_second": seconds * size / _MB_PER_GB,
        "log_gb": lines / GB,
        "trace": traced.number,
    }
    if step.function == "api":
        sent = (step.sent_bytes + traffic.HEADER_BYTES.number) / GB
        usage |= {"api_request": 1.0, "waf_request": 1.0, "sent_gb": sent}
        usage["log_gb"] += (traffic.ACCESS_LOG_BYTES.number + traffic.LINE_BYTES.number) / GB
    return usage


def pages(call: str) -> float:
    """How many of the pages that were measured the call asks for: a list more than one, any other call one."""
    return traffic.LIST_PAGES.number if call == "product list" else 1.0


def _longer(step: Step) -> Step:
    """A list with all its cards, any other call as it was measured."""
    times = pages(step.name)
    return msgspec.structs.replace(
        step, reads=step.reads * times, cpu_ms=step.cpu_ms * times, sent_bytes=step.sent_bytes * times
    )


class Mall:
    """Usages of one region and memory."""

    def __init__(self, found: Measured, region: str, memory: Mapping[str, int] | None = None) -> None:
        self.found, self.region, self.memory = found, region, memory or memory_mb()

    def steps(self, life: Life, often: Mapping[str, traffic.Taken]) -> list[tuple[float, Step]]:
        """Each call and job of a life, and how often it comes."""
        return [(often[step.name].number if step.name in often else step.times, step) for step in life.steps]

    def visit_steps(self) -> list[tuple[float, Step]]:
        """Those of a visit, its lists with as many cards as a client asks for."""
        often = traffic.VISIT | traffic.VISIT_JOBS
        return [(times, _longer(step)) for times, step in self.steps(self.found.lives.visit, often)]

    def order_steps(self) -> list[tuple[float, Step]]:
        """Those of a paid order, with its part of what is not paid."""
        share = {name: taken.number for name, taken in traffic.KINDS.items()}
        return [
            (share[life.name] * times, step)
            for life in self.found.lives.orders
            for times, step in self.steps(life, traffic.ORDER)
        ]

    def of(self, steps: Iterable[tuple[float, Step]]) -> Usage:
        """What these steps use."""
        return added((times, self._of(step)) for times, step in steps)

    def seconds(self, step: Step) -> float:
        """How long its function takes for it."""
        return duration_ms(step, self.memory[step.function], self.region) / 1000

    def _of(self, step: Step) -> Usage:
        return step_usage(step, self.region, self.memory, self.found.cold.app.wall_ms)

    def kept_bytes(self) -> tuple[float, float]:
        """Bytes that a paid order leaves (with its part of what is not paid), and a new member."""
        by_kind = {life.name: sum(life.stored.values()) for life in self.found.lives.orders}
        orders = sum(taken.number * by_kind[name] for name, taken in traffic.KINDS.items())
        return orders, sum(self.found.lives.visit.stored.values())

    def fixed(self) -> Usage:
        """What a month costs in which nobody comes: alarms, dashboard, metrics, secrets, key, firewall, rules."""
        fence = firewall.resources()
        config = msgspec.json.decode((ROOT / ".chalice" / "config.json").read_bytes())
        variables = config["stages"][STAGE]["environment_variables"].values()
        return {
            "alarm": len(alarms.alarms(STAGE, workers=1)), "dashboard": 1, "metric": traffic.METRICS.number,
            "secret": sum(str(value).startswith("secretsmanager:") for value in variables) - len(OPTIONAL_SECRETS),
            "key": 1, "web_acl": sum(resource["Type"] == "AWS::WAFv2::WebACL" for resource in fence.values()),
            "waf_rule": sum("Fn::If" not in rule for rule in fence["ApiFirewall"]["Properties"]["Rules"]),
            "rule": sum(function.wakes == "schedule" for function in FUNCTIONS),
        }  # fmt: skip

    def schedules(self, orders_a_day: float) -> Usage:
        """The schedules in a month, with the naps of those that look ahead. Without the jobs they run."""
        return added((1, self.schedule(look.function, orders_a_day)) for look in self.found.lives.looks)

    def schedule(self, function: str, orders_a_day: float = 0) -> Usage:
        """One of them."""
        (look,) = (one for one in self.found.lives.looks if one.function == function)
        size, reads, seconds = self.memory[function], look.reads, self.seconds(look)
        due_a_minute = orders_a_day * self.due_later(function) / DAY_MINUTES
        if due_a_minute and function != "run-due-calls":
            asleep = max(0.0, awake_seconds(due_a_minute) - due_a_minute * self._job_seconds(function))
            seconds += asleep
            reads += look.reads * (asleep / NAP_SECONDS + 1.5 * min(due_a_minute, _MOMENTS_MAX))
        lines = look.log_bytes + look.log_lines * traffic.LINE_BYTES.number
        each = {
            "lambda_request": 1.0, "lambda_gb_second": seconds * size / _MB_PER_GB, "dynamodb_read": reads,
            "log_gb": lines / GB, "trace": traffic.TRACED_DEFAULT.number,
        }  # fmt: skip
        return added([(traffic.DAYS * DAY_MINUTES, each)])

    def due_later(self, function: str) -> float:
        """How many jobs of one order are due later and run by this schedule."""
        return sum(times for times, step in self.order_steps() if step.function == function)

    def _job_seconds(self, function: str) -> float:
        """What such a job takes, in the mean."""
        steps = [(times, step) for times, step in self.order_steps() if step.function == function]
        return sum(times * self.seconds(step) for times, step in steps) / self.due_later(function)

    def month(self, orders_a_day: float) -> Usage:
        """A month of so many paid orders a day, after a year of it."""
        orders = orders_a_day * traffic.DAYS
        visits = orders * traffic.VISITS_PER_ORDER.number
        usage = added(
            [(visits, self.of(self.visit_steps())), (orders, self.of(self.order_steps())), (1, self.fixed()),
             (1, self.schedules(orders_a_day))]
        )  # fmt: skip
        kept = self.year_gb(orders_a_day)
        workers = usage["lambda_request"] - usage.get("api_request", 0.0)
        usage["trace"] += min(workers, traffic.DAYS * DAY_SECONDS) * (1 - traffic.TRACED_DEFAULT.number)
        return usage | {"log_gb_month": kept_logs(usage["log_gb"]), "dynamodb_gb": kept, "pitr_gb": kept}

    def year_gb(self, orders_a_day: float) -> float:
        """GB that a year of so many orders a day leaves."""
        order, member = self.kept_bytes()
        new = traffic.VISITS_PER_ORDER.number * traffic.VISIT["login (new member)"].number
        return orders_a_day * 365 * (order + new * member) / GB


def kept_logs(log_gb: float) -> float:
    """GB of logs that are kept, where so many are written in a month."""
    return log_gb * traffic.LOG_MONTHS.number * traffic.LOG_COMPRESSED.number


def awake_seconds(due_a_minute: float) -> float:
    """For how long of each minute's window the worker inside is awake, where jobs become due at random: until the last
    that is due in it."""
    each = due_a_minute / 60
    if each == 0:
        return 0.0
    return WINDOW_SECONDS - (1 - math.exp(-each * WINDOW_SECONDS)) / each


# Money


def bill(usage: Usage, region: str, listed: Prices) -> dict[str, float]:
    """What a usage of one month costs, by service."""
    found: dict[str, float] = defaultdict(float)
    for name, amount in usage.items():
        priced = listed.prices[name]
        found[priced.service] += priced.regions[region].of(amount / priced.per)
    return dict(found)


def fixed_address(region: str, listed: Prices) -> float:
    """A month of the NAT gateway and its address (FixedAddress), without what goes through it."""
    hours = {"nat_hour": float(MONTH_HOURS), "address_hour": float(MONTH_HOURS)}
    return sum(bill(hours, region, listed).values())


def secrets_endpoint(region: str, listed: Prices) -> float:
    """A month of the endpoint for secrets, in two zones, that everything behind the fixed address has beside it."""
    return sum(bill({"endpoint_hour": 2.0 * MONTH_HOURS}, region, listed).values())


def tables_key(region: str, listed: Prices) -> float:
    """A month of an own key for the tables (TablesKeyArn): the key, and a call of KMS every five minutes for each table
    that a function may use."""
    used = [{name.partition("/")[0] for name in grant.tables} for grant in permissions.declared().values()]
    calls = sum(map(len, used)) * traffic.DAYS * DAY_MINUTES / 5
    return sum(bill({"key": 1, "kms_call": calls}, region, listed).values())
