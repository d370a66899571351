"""The part of docs/cost.md that is about choices: what stands before the API, and what else the bill turns on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from bench.cost import fronts, traffic
from bench.cost.quota_page import HOME, about
from bench.cost.usage import DAY_SECONDS, GB, Mall, Prices, Usage, added, bill, kept_logs, memory_mb
from bench.markdown import table

_KEPT_SECONDS = (60, 120, 300)
_WHOLE_MB = 1024
#: Orders a day at which every front is the cheaper, and how near to each other two numbers are one.
_MANY, _CLOSE = 100_000, 1.01

#: Writes an amount of money of a region.
Money = Callable[[float, str, Prices], str]


def calls_of_a_visit() -> float:
    """How many calls a visit needs, in the mean."""
    return sum(taken.number for taken in traffic.VISIT.values())


def on_cdn(malls: Mapping[str, Mall], listed: Prices, orders: int, money: Money) -> str:
    """The catalogue under a host name of its own."""
    rows = []
    for region, mall in malls.items():
        name = listed.regions[region].name
        rows.append((f"{name}, without", "", *_totals(mall.month(orders), region, listed, money)))
        for seconds in _KEPT_SECONDS:
            share = f"{100 * fronts.hit_share(mall, orders, seconds):.0f} %"
            totals = _totals(fronts.on_cdn(mall, orders, seconds), region, listed, money)
            rows.append((f"{name}, `CdnSeconds={seconds}`", share, *totals))
    kept, home = traffic.CDN_SECONDS.number, listed.regions[HOME].name

    def by_cdn(mall: Mall, orders: float) -> Usage:
        return fronts.on_cdn(mall, orders, kept)

    catalogue = sum(traffic.VISIT[name].number for name in traffic.ANSWERS)
    head = ("", "answered by the CDN", "a month", "with X-Ray off")
    return f"""## With the catalogue on a CDN

Of the {calls_of_a_visit():.1f} calls of a visit {catalogue:g} are the catalogue's, the same for everybody. Under a
second host name CloudFront answers them ([how](operations.md#the-catalogue-on-a-cdn),
[what clients do](clients.md#the-catalogues-own-host)). A month of {orders:,} orders a day; how much it answers is
reckoned from the answers that there are, how often each is asked for, and how long it may be kept
([taken to be so](#taken-to-be-so)): the fewer shoppers, the less.

{table(head, rows)}

What is kept is older: stock, prices and promotions on a page up to twice `CdnSeconds`, for CloudFront gives an old
answer while it fetches the new one. Quotes and orders never come from there. With `CdnSeconds={kept}` it spares more
than it costs from some {_from(malls[HOME], listed, by_cdn)} orders a day on, in {home}."""


def behind_alb(malls: Mapping[str, Mall], listed: Prices, orders: int, money: Money) -> str:
    """What an ALB would cost and take."""
    rows = []
    for region, mall in malls.items():
        here = sum(bill(mall.month(orders), region, listed).values())
        there = sum(bill(fronts.behind_alb(mall, orders), region, listed).values())
        rows.append(
            (listed.regions[region].name, *(money(cost, region, listed) for cost in (here, there, here - there)))
        )
    head = (f"{orders:,} orders a day", "with API Gateway", "with an ALB", "less")
    return f"""## An ALB instead

Not built. An Application Load Balancer with the functions as its targets costs by the hour, not by the call; it exists
in China, and keeps the firewall and ACM's certificates.

{table(head, rows)}

What it would take: a function's own router and reading of an ALB's events (the local gateway has both; queries come
undecoded, headers in lists); 404, 405 and their texts by the function, for the ALB's own pages (502, 503) are not the
mall's; compression by the function; no body above 1 MB, in or out, so that imports go in smaller parts and the OpenAPI
document leaves compressed; throttling of all together by the firewall or by reserved concurrency, since
`RequestsPerSecond` is API Gateway's; two public subnets; the access log to a bucket instead of a log group. And a price
that runs when nobody shops: below some {_from(malls[HOME], listed, fronts.behind_alb)} orders a day it is the dearer,
in {listed.regions[HOME].name}."""


def choices(mall: Mall, listed: Prices, orders: int, money: Money) -> str:
    """What was chosen, and what the bill would be otherwise."""
    usage, region = mall.month(orders), mall.region
    now = sum(bill(usage, region, listed).values())
    lines = usage["lambda_request"] * traffic.PLATFORM_LOG_BYTES.number / GB
    by_default = traffic.TRACED_DEFAULT.number * usage["api_request"] + traffic.DAYS * DAY_SECONDS
    api_mb = memory_mb()["api"]
    whole = Mall(mall.found, region, {**mall.memory, "api": _WHOLE_MB}).month(orders)
    arm = {name: amount for name, amount in usage.items() if name != "lambda_gb_second"}
    arm["lambda_gb_second_arm"] = usage["lambda_gb_second"]
    log = {"log_gb": lines, "log_gb_month": kept_logs(lines)}
    all_traced = usage["trace"] + by_default - traffic.TRACED_SHARE.number * usage["api_request"]
    share = f"{100 * traffic.TRACED_SHARE.number:g} %"
    others: list[tuple[str, str, Usage]] = [
        (f"the API's function has {api_mb} MB (.chalice/config.json)", f"{_WHOLE_MB:,} MB", whole),
        ("of Lambda's own lines faults alone are kept (`LoggingConfig`)", "START, END and REPORT of each invocation",
         added([(1, usage), (1, log)])),
        (f"{share} of requests are traced (`TracedShare`)", "X-Ray's default: one each second, 5 % of others",
         usage | {"trace": all_traced}),
        ("the same", "X-Ray off (`TracedShare=0`)", usage | {"trace": 0.0}),
        ("x86", "arm64, were it as fast (not built)", arm),
    ]  # fmt: skip
    rows = [
        (have, other, _signed(sum(bill(used, region, listed).values()) - now, region, listed, money))
        for have, other, used in others
    ]
    return f"""## Choices

What each would change in the {money(now, region, listed)} of {orders:,} orders a day in {listed.regions[region].name}.
The workers are traced by X-Ray's default, which Lambda does not let one change.

{table(("as it is", "instead", "a month"), rows)}"""


def _totals(usage: Usage, region: str, listed: Prices, money: Money) -> list[str]:
    services = bill(usage, region, listed)
    total = sum(services.values())
    return [f"**{money(total, region, listed)}**", money(total - services["X-Ray"], region, listed)]


def _from(mall: Mall, listed: Prices, front: Callable[[Mall, float], Usage]) -> str:
    """From how many orders a day on this front is the cheaper, to two digits: found by halving."""
    few, many = 1.0, float(_MANY)
    while many / few > _CLOSE:
        middle = math.sqrt(few * many)
        here, there = (
            sum(bill(used, mall.region, listed).values()) for used in (mall.month(middle), front(mall, middle))
        )
        few, many = (few, middle) if there < here else (middle, many)
    return about(many)


def _signed(cost: float, region: str, listed: Prices, money: Money) -> str:
    return f"{'+' if cost >= 0 else '-'}{money(abs(cost), region, listed)}"
