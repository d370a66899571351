"""What a mall is taken to be asked for. Nothing here is measured: these are assumptions, each with its reason, and
docs/cost.md shows them all. What each call and each job takes is measured (bench/units/scenario.py)."""

from __future__ import annotations

from typing import NamedTuple


class Taken(NamedTuple):
    """A number that is taken to be so, and why."""

    number: float
    why: str


#: Calls of one visit, by the names of bench/units/journey.py.
VISIT: dict[str, Taken] = {
    "login (known member)": Taken(0.1, "the token of 30 days is kept, and a member comes some ten times in them"),
    "login (new member)": Taken(0.1, "one visitor in ten is new"),
    "categories": Taken(0.25, "one in four opens the page of categories; the home page needs no tree"),
    "product list": Taken(1.5, "the home page with 40 cards, and half of them 40 more"),
    "search": Taken(0.3, "a third look for something"),
    "product detail": Taken(4, "what they look at"),
    "add to cart": Taken(0.3, "one in three puts something in"),
    "get cart": Taken(0.2, "who looks into the cart without a change to it, which answers the whole cart"),
    "me": Taken(0.1, "their own page shows what the login answered, and asks once a week"),
    "add an address": Taken(0.03, "new customers"),
}
#: And jobs that a visit owes.
VISIT_JOBS: dict[str, Taken] = {
    "job: segments.settle": Taken(0.1, "with each new member, whom lists and counts then know"),
}
LIST_PAGES = Taken(
    2, "40 cards in a call (`limit=40`), where pages of 20 were measured: its units, bytes and CPU as of two"
)
#: How often calls of an order come, where it is not as often as they were measured.
ORDER: dict[str, Taken] = {
    "quote": Taken(2, "asked again when the address or a coupon changes"),
    "start payment": Taken(1.1, "some try twice"),
    "order detail": Taken(5, "polled after the payment, and looked at while the parcel is on its way"),
    "order list": Taken(2, "the way to the detail"),
}
#: Of a hundred paid orders so many are of each kind; the orders that are not paid come on top.
KINDS: dict[str, Taken] = {
    "plain": Taken(0.55, "one line, no coupon"),
    "coupon and commission": Taken(0.25, "with a coupon, through a distributor, two levels earn"),
    "group-buy": Taken(0.15, "a lobby of three that fills"),
    "refunded": Taken(0.05, "given back whole before it is sent"),
    "not paid": Taken(0.2, "one more for every five that are paid is left unpaid and closed"),
}
VISITS_PER_ORDER = Taken(33, "three visits in a hundred end with an order")
PEAK = Taken(5, "the busiest second of the day over the day's mean, without a flash sale")
#: Orders a day.
SIZES = (100, 10_000, 1_000_000)
DAYS = 30

VCPU_MB = Taken(1769, "Lambda gives a function one vCPU at so much memory, and less in proportion (Lambda's guide)")
TRIP_MS = Taken(5, "a round trip to DynamoDB in the region: single-digit milliseconds (DynamoDB's guide), not measured")
TRANSACTION_MS = Taken(10, "the same for a transaction: two phases")
LARGE_TRANSACTION_MS = Taken(60, "a transaction of up to 100 items, six times a small one; not measured")
WECHAT_MS = {
    "ap-southeast-1": Taken(250, "a call to WeChat across the border, where 100 to 300 ms are seen"),
    "cn-north-1": Taken(60, "a call to WeChat within China"),
}
COLD_SHARE = Taken(0.002, "of requests that start a new environment; falls as traffic grows")
PLATFORM_LOG_BYTES = Taken(400, "START, END and REPORT of an invocation, Lambda's own lines, where they are kept")
ACCESS_LOG_BYTES = Taken(180, "a request in the API's access log: id, address, method, resource, status, latency")
LINE_BYTES = Taken(26, "what CloudWatch adds to each line (its pricing page)")
HEADER_BYTES = Taken(600, "status line and headers of an answer")
LOG_MONTHS = Taken(6, "LogDays is 180 by default (infra/template.json)")
LOG_COMPRESSED = Taken(0.2, "kept logs are counted as compressed")
METRICS = Taken(42, "custom metrics with their dimensions: some 14 of the mall, the rest by kind of refusal and of job")
TRACED_SHARE = Taken(0.01, "of requests, by the mall's own rule: TracedShare (infra/template.json)")
TRACED_DEFAULT = Taken(
    0.05, "X-Ray's default rule, the workers': the first of each second, and one in twenty of others"
)

#: How many different answers there are to each call of a visit that a CDN can answer.
ANSWERS: dict[str, Taken] = {
    "categories": Taken(1, "one tree"),
    "product list": Taken(60, "categories, orders and pages that are looked at"),
    "search": Taken(1000, "words that are asked for"),
    "product detail": Taken(300, "a brand's own products"),
}
CDN_CACHES = Taken(
    2, "of CloudFront's regional caches, which ask the API each for itself, so many see most of the shoppers"
)
CDN_SECONDS = Taken(300, "CdnSeconds, as docs/operations.md sets it")
REQUEST_BYTES = Taken(800, "a request with its headers, which an ALB counts too")
LCU_CONNECTIONS = Taken(25, "new connections a second in an ALB's capacity unit; each call is taken to be a new one")
LCU_GB_HOUR = Taken(0.4, "GB an hour in it, with Lambda behind")
