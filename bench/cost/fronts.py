"""Two other fronts, reckoned by the same usages: the catalogue on a content delivery network, which is built
(infra/cdn.py), and an Application Load Balancer in the place of API Gateway, which is not."""

from __future__ import annotations

from collections.abc import Mapping

from bench.cost import traffic
from bench.cost.usage import DAY_SECONDS, GB, MONTH_HOURS, Mall, Usage, added, kept_logs
from bench.units.figures import Step
from infra import cdn, firewall

_MONTH_SECONDS = traffic.DAYS * DAY_SECONDS
#: The public addresses of an ALB: one for each of two zones.
_ADDRESSES = 2


def asked_a_second(mall: Mall, orders_a_day: float) -> dict[str, tuple[float, Step]]:
    """Of each call that a CDN can answer, how often it comes in a second, in the day's mean."""
    visits = orders_a_day * traffic.VISITS_PER_ORDER.number / DAY_SECONDS
    return {step.name: (visits * times, step) for times, step in mall.visit_steps() if step.name in traffic.ANSWERS}


def missed_a_second(asked: float, different: float, seconds: float) -> float:
    """How often in a second the CDN asks the API, where it keeps each of so many different answers so many seconds.

    The n-th most popular answer is asked for 1/n as often as the first. A cache asks for it, keeps it, and asks again
    with the first that comes after that.
    """
    ranks = range(1, round(different) + 1)
    first = asked / sum(1 / rank for rank in ranks)
    caches = traffic.CDN_CACHES.number
    return sum(caches * first / (first * seconds + caches * rank) for rank in ranks)


def hit_share(mall: Mall, orders_a_day: float, seconds: float) -> float:
    """The part of the catalogue's calls that the CDN answers by itself."""
    calls = asked_a_second(mall, orders_a_day)
    asked = sum(rate for rate, _ in calls.values())
    missed = sum(missed_a_second(rate, traffic.ANSWERS[name].number, seconds) for name, (rate, _) in calls.items())
    return 1 - missed / asked


def on_cdn(mall: Mall, orders_a_day: float, seconds: float) -> Usage:
    """A month with the catalogue on a CDN: what the CDN answers is taken off, and its own share added. All that it
    sends leaves AWS by it alone: it does not pay for what it fetches."""
    calls = asked_a_second(mall, orders_a_day)
    direct = mall.month(orders_a_day)
    spared, sent, asked = _spared(mall, calls, seconds), 0.0, 0.0
    for rate, step in calls.values():
        asked += rate * _MONTH_SECONDS
        sent += rate * _MONTH_SECONDS * (step.sent_bytes + traffic.HEADER_BYTES.number) / GB
    usage = added([(1, direct), (-1, spared)])
    usage["sent_gb"] = direct["sent_gb"] - sent
    usage["log_gb_month"] = kept_logs(usage["log_gb"])
    more = {"cdn_request": asked, "cdn_gb": sent, "secret": 1.0, "waf_rule": float(_conditional_rules())}
    return added([(1, usage), (1, more)])


def _spared(mall: Mall, calls: Mapping[str, tuple[float, Step]], seconds: float) -> Usage:
    """What a month's calls use that do not come to the API any more."""
    hits = [
        ((rate - missed_a_second(rate, traffic.ANSWERS[name].number, seconds)) * _MONTH_SECONDS, step)
        for name, (rate, step) in calls.items()
    ]
    return mall.of(hits)


def _conditional_rules() -> int:
    """The firewall's rules that are there with the CDN alone."""
    rules = firewall.resources()["ApiFirewall"]["Properties"]["Rules"]
    return sum(rule.get("Fn::If", [""])[0] == cdn.THERE for rule in rules)


def behind_alb(mall: Mall, orders_a_day: float) -> Usage:
    """A month with an ALB in the place of API Gateway: by the hour, and by the capacity that the calls take up."""
    usage = mall.month(orders_a_day)
    calls = usage.pop("api_request", 0.0)
    gb = usage["sent_gb"] + calls * traffic.REQUEST_BYTES.number / GB
    by_connections = calls / _MONTH_SECONDS / traffic.LCU_CONNECTIONS.number
    by_bytes = gb / MONTH_HOURS / traffic.LCU_GB_HOUR.number
    return usage | {
        "alb_hour": float(MONTH_HOURS),
        "lcu_hour": max(by_connections, by_bytes) * MONTH_HOURS,
        "alb_address_hour": float(_ADDRESSES * MONTH_HOURS),
    }
