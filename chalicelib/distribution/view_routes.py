"""What distributors see of their own: balance, customers, commissions, statements, leaderboard, and links to share."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.distribution import earnings, links, views
from chalicelib.distribution.earnings import CommissionView, LedgerLine, Statement
from chalicelib.distribution.links import LinkTarget, LinkView
from chalicelib.distribution.rules import CommissionState, PagePath
from chalicelib.distribution.views import Customer, DistributionTerms, DistributorOverview, Leaderboard
from chalicelib.web.endpoint import MEMBER, PUBLIC, Call, Reply, endpoint
from chalicelib.web.types import Id, Page, PageQuery

#: How long clients may keep what a link opens, and the picture of its code, in seconds.
_LINK_SECONDS = 60
_PICTURE_SECONDS = 86400

Channel = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9._-]+$(?!\n)")]


class CustomersQuery(PageQuery, kw_only=True):
    """Whose: 1, those whom I brought; 2, those whom they brought."""

    level: Annotated[int, Meta(ge=1, le=2)] = 1


class CommissionsQuery(PageQuery, kw_only=True):
    """Which: of a state, of days of Asia/Shanghai, both included."""

    state: CommissionState | None = None
    since: date | None = msgspec.field(default=None, name="from")
    until: date | None = msgspec.field(default=None, name="to")


class LeaderboardQuery(msgspec.Struct, kw_only=True):
    """Of which month, such as 2026-11; this one, where none is named."""

    month: Annotated[str, Meta(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$(?!\n)")] | None = None


class LinkInput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What to share: a product, a page (the mall's own page for it, where none is named); and through what channel."""

    product_id: Id | None = None
    page: PagePath | None = None
    channel: Channel | None = None


_NOBODY = ("not_found",)


@endpoint("GET /v1/distribution", MEMBER)
def get_distribution() -> DistributionTerms:
    """By which rules distributors are paid here: levels, rates, days, tiers, and what the mall says of their rights."""
    return views.terms()


@endpoint("GET /v1/distributor", MEMBER, errors=_NOBODY)
def get_distributor(call: Call) -> DistributorOverview:
    """What I am as a distributor, what I have, and how far it is to the next tier."""
    return views.overview(call.caller)


@endpoint("GET /v1/distributor/customers", MEMBER, errors=("not_found", "cursor_invalid"))
def list_customers(call: Call, query: CustomersQuery) -> Page[Customer]:
    """Members who are bound to me, the latest first. Level 2 is empty where the mall pays one level.

    A page may be short and have a `next_cursor` all the same.
    """
    return Page(*views.customers(call.caller, query.level, query.limit, query.cursor))


@endpoint("GET /v1/distributor/commissions", MEMBER, errors=("not_found", "cursor_invalid", "invalid"))
def list_commissions(call: Call, query: CommissionsQuery) -> Page[CommissionView]:
    """My commissions, one for each line of an order and level, the latest first; those of nothing explain themselves.

    A page may be short and have a `next_cursor` all the same.
    """
    found = earnings.commissions(call.caller, query.state, query.since, query.until, query.limit, query.cursor)
    return Page(*found)


@endpoint("GET /v1/distributor/statements/{month}", MEMBER)
def get_statement(call: Call, month: str) -> Statement:
    """My account in a month of Asia/Shanghai, such as 2026-11: it opens as the month before closed."""
    return earnings.statement(call.caller, month)


@endpoint("GET /v1/distributor/ledger", MEMBER, errors=("not_found", "cursor_invalid"))
def list_ledger(call: Call, query: PageQuery) -> Page[LedgerLine]:
    """Every change of my account, the latest first, in words."""
    return Page(*earnings.account(call.caller, call.language, query.limit, query.cursor))


@endpoint("GET /v1/distributor/leaderboard", MEMBER, errors=_NOBODY)
def get_leaderboard(call: Call, query: LeaderboardQuery) -> Leaderboard:
    """The best twenty of a month by sales, by the first character of their names, and me; where the mall has one."""
    return views.leaderboard(call.caller, query.month)


@endpoint(
    "POST /v1/distributor/links",
    MEMBER,
    errors=("not_found", "distributor_state", "product_unavailable"),
    per_minute=60,
)
def make_link(call: Call, body: LinkInput) -> LinkView:
    """A link to share, with what a poster shows; the same again is the same token."""
    return links.make(call.caller, body.product_id, body.page, body.channel)


@endpoint("GET /v1/links/{token}", PUBLIC, cache_seconds=_LINK_SECONDS)
def get_link(token: str) -> LinkTarget:
    """What a token opens that the mini-program was given as its scene."""
    return links.target(token)


@endpoint("GET /v1/links/{token}/code", PUBLIC, cache_seconds=_PICTURE_SECONDS, media="image/png, image/jpeg")
def get_link_code(token: str) -> bytes | Reply:
    """The picture of a token's mini-program code."""
    picture, media = links.code(token)
    return Reply(picture, content_type=media)
