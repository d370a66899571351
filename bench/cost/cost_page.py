"""`python -m bench.cost` writes docs/cost.md: the answer first, then what it is made of."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.cost import front_page, fronts, journeys_page, merges_page, quota_page, quotas, segments_page, traffic
from bench.cost.quota_page import HOME
from bench.cost.traffic import Taken
from bench.cost.usage import (
    DAY_MINUTES,
    DAY_SECONDS,
    ROOT,
    WINDOW_SECONDS,
    Mall,
    Measured,
    Prices,
    Usage,
    added,
    awake_seconds,
    bill,
    duration_ms,
    fixed_address,
    measured,
    memory_mb,
    prices,
    secrets_endpoint,
    tables_key,
)
from bench.markdown import table

_THOUSAND = 1000
_MEMORIES = (512, 1024, 1769)
_EXAMPLE = 10_000
_SUMMED = ("reads", "writes", "index_writes", "cpu_ms")
_MADE = (
    "Made by `python -m bench.cost` (and by `make bench`, which measures) from `bench/results.json`, "
    "`bench/cost/traffic.py` and `bench/cost/prices.json`. Do not edit: `tests/unit/test_cost.py` holds it to them."
)
_CHINA = "cn-north-1"


def write(where: Path = ROOT) -> None:
    """Write docs/cost.md below this folder, by bench/results.json there."""
    file = where / "docs" / "cost.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(measured(where / "bench" / "results.json"), prices()))


def page(found: Measured, listed: Prices) -> str:
    """The whole page."""
    malls = {region: Mall(found, region) for region in listed.regions}
    parts = [
        "# The cost",
        _answer(malls, listed),
        _MADE,
        _thousands(malls, listed), _months(malls, listed),
        front_page.on_cdn(malls, listed, _EXAMPLE, _money), front_page.behind_alb(malls, listed, _EXAMPLE, _money),
        front_page.choices(malls[HOME], listed, _EXAMPLE, _money),
        _kinds(malls, listed), quota_page.met(malls[HOME]),
        quota_page.partitions(malls[HOME]), quota_page.workers(malls, listed), _flash_sale(),
        segments_page.section(malls, listed, _money), journeys_page.section(malls, listed, _money),
        merges_page.section(malls, listed, _money),
        _memory(found, listed), _waiting(malls[HOME], listed), _taken(), _listed(listed),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _answer(malls: Mapping[str, Mall], listed: Prices) -> str:
    told = []
    for region, mall in malls.items():
        whole = bill(mall.month(_EXAMPLE), region, listed)
        told.append(f"{_money(sum(whole.values()), region, listed)} a month in {listed.regions[region].name}")
    services = bill(malls[HOME].month(_EXAMPLE), HOME, listed)
    first, second = sorted(services, key=services.__getitem__, reverse=True)[:2]
    share = {name: round(100 * services[name] / sum(services.values())) for name in (first, second)}
    nobody = sum(bill(malls[HOME].month(0), HOME, listed).values())
    first_of = {region: quotas.workers(mall)[0] for region, mall in malls.items()}
    most = " or ".join(
        f"{quota_page.about(worker.orders_a_second * DAY_SECONDS)} orders a day in {listed.regions[region].name}"
        for region, worker in first_of.items()
    )
    largest = traffic.SIZES[-1]
    untraced = _money(sum(services.values()) - services["X-Ray"], HOME, listed)
    on_cdn = sum(bill(fronts.on_cdn(malls[HOME], _EXAMPLE, traffic.CDN_SECONDS.number), HOME, listed).values())
    return f"""A mall with {_EXAMPLE:,} orders a day, and {traffic.VISITS_PER_ORDER.number:g} visits for each, costs
about {" or ".join(told)}; in Singapore {share[first]} % of it is {first}
and {share[second]} % {second}. With X-Ray off it is {untraced} there, with the catalogue
[on a CDN](#with-the-catalogue-on-a-cdn) {_money(on_cdn, HOME, listed)}. A mall in which nobody shops costs
{_money(nobody, HOME, listed)} a month.

A visit is {front_page.calls_of_a_visit():.1f} calls, by a client that does as [clients.md](clients.md) says.

As it is configured, its workers keep up with some {most}; two settings make them
more ([Workers](#workers)). The first quota of AWS that it meets is API Gateway's ([Quotas](#quotas)); at {largest:,}
orders a day ask AWS to raise that."""


def _thousands(malls: Mapping[str, Mall], listed: Prices) -> str:
    columns = [
        (region, bill(added([(_THOUSAND, mall.of(steps))]), region, listed))
        for region, mall in malls.items()
        for steps in (mall.visit_steps(), mall.order_steps())
    ]
    services = _services(column for _, column in columns)
    rows = [
        (service, *(_money(column.get(service, 0), region, listed) for region, column in columns))
        for service in services
    ]
    rows.append(("**together**", *(_money(sum(column.values()), region, listed) for region, column in columns)))
    head = ["", *(f"{what}, {listed.regions[region].name}" for region in malls for what in ("visits", "orders"))]
    return f"""## A thousand visits, a thousand orders

At the first step of every price, without free tiers, and without what a month costs anyway. An order is a paid one from
its quote to the last job it owes, with its part of the orders that are not paid; the visits that led to it are apart.

{table(tuple(head), rows)}"""


def _months(malls: Mapping[str, Mall], listed: Prices) -> str:
    parts = ["## A month"]
    sizes = (0, *traffic.SIZES)
    for region, mall in malls.items():
        bills = [bill(mall.month(size), region, listed) for size in sizes]
        rows = []
        for service in _services(bills):
            costs = [(each.get(service, 0.0), sum(each.values())) for each in bills]
            rows.append(
                (service, *(f"{_money(one, region, listed)} ({100 * one / all_:.0f} %)" for one, all_ in costs))
            )
        rows.append(("**a month**", *(f"**{_money(sum(each.values()), region, listed)}**" for each in bills)))
        rows.append(("a day", *(_money(sum(each.values()) / traffic.DAYS, region, listed) for each in bills)))
        kept = ("stored after a year", *(f"{mall.year_gb(size):,.1f} GB" for size in sizes))
        head = (listed.regions[region].name, "nobody", *(f"{size:,} orders a day" for size in traffic.SIZES))
        address, endpoint, key = (
            _money(of(region, listed), region, listed) for of in (fixed_address, secrets_endpoint, tables_key)
        )
        parts.append(table(head, [*rows, kept]))
        parts.append(
            f"""The fixed address for WeChat's whitelists (`FixedAddress`, off by default) is {address} more; where
`everything` calls from it, {endpoint} beside that for an endpoint through which secrets are read. The tables are
encrypted by a key of AWS's that costs nothing; an own one (`TablesKeyArn`) is about {key}, if DynamoDB asks KMS every
five minutes for each table that a function uses: AWS says that it remembers a key for so long, and not for how many."""
        )
    assumed = sum(bool(each.regions[_CHINA].assumed) for each in listed.prices.values())
    parts.append(
        f"""Thirty days, after a year of this traffic, so that a year's data is stored. Of the {len(listed.prices)}
prices {assumed} were not found for China and are assumptions ([the list](#prices)): the figures for China are no more
than a size. Left out: people, the domain, SMS, WeChat Pay's own fee, the pictures' storage and network, taxes."""
    )
    return "\n\n".join(parts)


def _kinds(malls: Mapping[str, Mall], listed: Prices) -> str:
    mall = malls[HOME]
    plain = mall.found.lives.orders[0]
    written = {place.place: place.writes for place in plain.places}
    jobs_share = 100 * written["jobs"] / sum(written.values())
    relist = sum(
        step.writes + step.index_writes for step in plain.steps if step.name == "job: catalogue.reindex_product"
    )
    rows = []
    for life in mall.found.lives.orders:
        steps = [(step.times, step) for step in life.steps]
        total = {name: sum(times * getattr(step, name) for times, step in steps) for name in _SUMMED}
        calls = sum(times for times, step in steps if step.function == "api")
        jobs = sum(times for times, step in steps if step.function != "api")
        places = sorted(life.places, key=lambda place: place.writes, reverse=True)[:3]
        cost = sum(bill(added([(_THOUSAND, mall.of(steps))]), HOME, listed).values())
        rows.append(
            (
                life.name, f"{calls:g}", f"{jobs:.1f}", f"{total['reads']:.1f}", f"{total['writes']:.1f}",
                f"{total['index_writes']:.1f}", f"{total['cpu_ms']:.0f}", f"{sum(life.stored.values()):,.0f}",
                ", ".join(f"{place.place} {place.writes:.0f}" for place in places), _money(cost, HOME, listed),
            )
        )  # fmt: skip
    head = (
        "kind of order", "calls", "jobs", "RRU", "WRU", "WRU of indexes", "CPU ms", "bytes kept", "most WRU at",
        "1,000 of them",
    )  # fmt: skip
    return f"""## What an order takes

Measured (`bench/units/journey.py`), each call once: from the quote until no job is owed any more; request units by
DynamoDB's rules, transactions at twice the price; of a group-buy one order of three. Of the write units of a plain
order {jobs_share:.0f} % are jobs, which are written, leased and ended. That its product is listed anew, {relist:g} WRU,
is counted for every order here; in a busy mall it is done once a minute for all orders of a product.

{table(head, rows)}"""


def _flash_sale() -> str:
    return """## Flash sale

Many orders of one product in a few seconds meet at its stock: [flash-sale.md](flash-sale.md)."""


def _memory(found: Measured, listed: Prices) -> str:
    rows = []
    for size in _MEMORIES:
        mall = Mall(found, HOME, dict.fromkeys(memory_mb(), size))
        lambdas: Usage = added(
            [(traffic.VISITS_PER_ORDER.number, mall.of(mall.visit_steps())), (1, mall.of(mall.order_steps()))]
        )
        cost = bill({"lambda_gb_second": lambdas["lambda_gb_second"] * _THOUSAND}, HOME, listed)["Lambda"]
        arm = bill({"lambda_gb_second_arm": lambdas["lambda_gb_second"] * _THOUSAND}, HOME, listed)["Lambda"]
        shown = [step for step in found.lives.orders[0].steps if step.name in ("place order", "job: order.confirmed")]
        took = [f"{duration_ms(step, size, HOME):.0f}" for step in shown]
        rows.append((f"{size:,} MB", *took, _money(cost, HOME, listed), _money(arm, HOME, listed)))
    have = textwrap.fill(
        ", ".join(f"`{name}` {size:,}" for name, size in memory_mb().items()) + ".", 120, break_on_hyphens=False
    )
    head = ("all functions with", "place order, ms", "job after payment, ms", "x86", "arm64, were it as fast")
    return f"""## Memory

GB-seconds of a thousand orders with their visits, in {listed.regions[HOME].name}. Now, by .chalice/config.json, in MB:
{have}

{table(head, rows)}

Less is cheaper, because a function mostly waits for DynamoDB and pays for that by its memory; more makes a shopper's
call shorter, and a worker faster that runs jobs one after the other."""


def _waiting(mall: Mall, listed: Prices) -> str:
    later = mall.due_later("run-due-jobs")
    looks = {step.function: step for step in mall.found.lives.looks}
    rows = []
    for size in (0, *traffic.SIZES):
        due = size * later / DAY_MINUTES
        cost = sum(bill(mall.schedules(size), HOME, listed).values())
        rows.append((f"{size:,}", f"{due:,.2f}", f"{awake_seconds(due):.1f}", _money(cost, HOME, listed)))
    reads = {name: step.reads for name, step in looks.items()}
    return f"""## Waiting for the second

Four schedules look once a minute ([decisions 9](decisions/0009-lanes-and-the-second.md),
[38](decisions/0038-a-lane-for-the-many.md) and [43](decisions/0043-a-lane-for-sends.md)): `run-due-jobs` with
{reads["run-due-jobs"]:g} RRU, `run-due-calls` with {reads["run-due-calls"]:g}, `run-due-many` and `run-due-sends` with
{reads["run-due-many"]:g} each, when nothing is due. The one inside stays awake until the last job that is due in its
{WINDOW_SECONDS:g} seconds; so do those of what is owed, and sent, to very many.
The cost is that of all four in a month, naps and reads included, but not that of the jobs: where they fill the minute,
there are no naps to pay.

{table(("orders a day", "due inside, a minute", "awake, s a minute", "a month"), rows)}"""


def _taken() -> str:
    single = {
        "visits for each paid order": traffic.VISITS_PER_ORDER, "the busiest second over the mean": traffic.PEAK,
        "MB for a whole vCPU": traffic.VCPU_MB, "ms for a round trip": traffic.TRIP_MS,
        "ms for a transaction": traffic.TRANSACTION_MS, "ms for a large one": traffic.LARGE_TRANSACTION_MS,
        **{f"ms for a call to WeChat, {region}": taken for region, taken in traffic.WECHAT_MS.items()},
        "cold starts": traffic.COLD_SHARE, "bytes of Lambda's log": traffic.PLATFORM_LOG_BYTES,
        "bytes of the access log": traffic.ACCESS_LOG_BYTES,
        "bytes added to a line": traffic.LINE_BYTES, "bytes of headers": traffic.HEADER_BYTES,
        "months that logs are kept": traffic.LOG_MONTHS, "of a log's bytes when kept": traffic.LOG_COMPRESSED,
        "custom metrics": traffic.METRICS, "requests traced": traffic.TRACED_SHARE,
        "others traced": traffic.TRACED_DEFAULT, "pages of 20 in a list": traffic.LIST_PAGES,
        "regional caches of the CDN": traffic.CDN_CACHES, "seconds that the CDN keeps": traffic.CDN_SECONDS,
        "bytes of a request": traffic.REQUEST_BYTES, "connections of an ALB's unit": traffic.LCU_CONNECTIONS,
        "GB of an ALB's unit": traffic.LCU_GB_HOUR,
    }  # fmt: skip
    lists: list[tuple[str, Mapping[str, Taken]]] = [
        ("times in a visit", traffic.VISIT | traffic.VISIT_JOBS),
        ("times in an order, where not as measured", traffic.ORDER),
        ("of the paid orders", traffic.KINDS), ("different answers of the catalogue", traffic.ANSWERS), ("", single),
    ]  # fmt: skip
    rows = [
        (what if number == 0 else "", name, f"{taken.number:g}", taken.why)
        for what, found in lists
        for number, (name, taken) in enumerate(found.items())
    ]
    return f"""## Taken to be so

Not measured. A function's time is its CPU (measured in one process, with the caller's part in it, on the machine of
`make bench`), times 1,769 MB over its memory, and its round trips and calls to WeChat (counted) at the milliseconds
below. The catalogue of the measurement has a few dozen products: a search reads all of them, and costs more in a larger
one ([decision 3](decisions/0003-search.md)). Secrets are read once by each environment; that is not counted.

{table(("", "", "", "why"), rows)}"""


def _listed(listed: Prices) -> str:
    rows = []
    for priced in listed.prices.values():
        per = "" if priced.per == 1 else f" for {priced.per:,.0f}"
        cells = []
        for region, price in priced.regions.items():
            steps = price.price if isinstance(price.price, list) else [(None, price.price)]
            shown = ", then ".join(f"{each:.8f}".rstrip("0").rstrip(".") for _, each in steps)
            notes = [price.source, f"**assumed**: {price.assumed}" if price.assumed else ""]
            cells += [f"{listed.regions[region].sign}{shown}", "; ".join(note for note in notes if note)]
        rows.append((priced.service, f"{priced.unit}{per}", *cells))
    names = [listed.regions[region].name for region in listed.regions]
    head = ("service", "unit", *(cell for name in names for cell in (name, "from")))
    return f"""## Prices

Looked up on {listed.looked_up} in public copies of AWS's pricing pages, without an AWS account; what was not found is
assumed, and says how. Before a decision, ask AWS's own calculator. Free tiers are not taken off.

{table(head, rows)}"""


def _services(bills: Any) -> list[str]:
    found: dict[str, float] = {}
    for each in bills:
        for service, cost in each.items():
            found[service] = max(found.get(service, 0), cost)
    return [service for service in sorted(found, key=found.__getitem__, reverse=True) if found[service] > 0]


def _money(cost: float, region: str, listed: Prices) -> str:
    sign = listed.regions[region].sign
    if cost >= 100:
        return f"{sign}{cost:,.0f}"
    return f"{sign}{cost:.2f}" if cost >= 1 or cost == 0 else f"{sign}{cost:.3f}"
