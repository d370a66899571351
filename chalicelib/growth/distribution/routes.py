"""Distribution over HTTP: applying, what distributors see of their own, and links to share."""

from __future__ import annotations

from chalicelib.growth.distribution.commissions import queries as commission_queries
from chalicelib.growth.distribution.commissions.views import CommissionView, LedgerLine, Statement
from chalicelib.growth.distribution.distributors import queries as distributor_queries
from chalicelib.growth.distribution.distributors import service
from chalicelib.growth.distribution.inputs import CommissionsQuery, CustomersQuery, LeaderboardQuery, LinkInput
from chalicelib.growth.distribution.leaderboard import queries as leaderboards
from chalicelib.growth.distribution.links import queries as links_queries
from chalicelib.growth.distribution.links import service as links
from chalicelib.growth.distribution.links.views import LinkTarget, LinkView
from chalicelib.growth.distribution.views import (
    CustomerView,
    DistributionTerms,
    DistributorOverview,
    DistributorView,
    Leaderboard,
    distributor_view,
)
from chalicelib.platform.web.endpoint import MEMBER, PUBLIC, Call, Reply, endpoint
from chalicelib.platform.web.types import Page, PageQuery

#: How long clients may keep what a link opens, and the picture of its code, in seconds.
_LINK_SECONDS = 60
_PICTURE_SECONDS = 86400

_NOBODY = ("not_found",)


@endpoint("GET /v1/distribution", MEMBER)
def get_distribution() -> DistributionTerms:
    """Read the rules by which distributors are paid: levels, rates, days, tiers, and what the mall says of rights."""
    return distributor_queries.terms()


@endpoint("GET /v1/distributor", MEMBER, errors=_NOBODY)
def get_distributor(call: Call) -> DistributorOverview:
    """Read what I am as a distributor, what I have, and how far it is to the next tier."""
    return distributor_queries.overview(call.caller)


@endpoint("GET /v1/distributor/customers", MEMBER, errors=("not_found", "cursor_invalid"))
def list_customers(call: Call, query: CustomersQuery) -> Page[CustomerView]:
    """List the members who are bound to me, the latest first. Level 2 is empty where the mall pays one level.

    A page may be short and have a `next_cursor` all the same.
    """
    return Page(*distributor_queries.customers(call.caller, query.level, query.limit, query.cursor))


@endpoint("GET /v1/distributor/commissions", MEMBER, errors=("not_found", "cursor_invalid", "invalid"))
def list_commissions(call: Call, query: CommissionsQuery) -> Page[CommissionView]:
    """List my commissions, one for each line of an order and level, the latest first; one of nothing says why.

    A page may be short and have a `next_cursor` all the same.
    """
    found = commission_queries.commissions(
        call.caller, query.state, query.since, query.until, query.limit, query.cursor
    )
    return Page(*found)


@endpoint("GET /v1/distributor/statements/{month}", MEMBER)
def get_statement(call: Call, month: str) -> Statement:
    """Read my account in a month of Asia/Shanghai, such as 2026-11: it opens as the month before closed."""
    return commission_queries.statement(call.caller, month)


@endpoint("GET /v1/distributor/ledger", MEMBER, errors=("not_found", "cursor_invalid"))
def list_ledger(call: Call, query: PageQuery) -> Page[LedgerLine]:
    """List every change of my account, the latest first, in words."""
    return Page(*commission_queries.account(call.caller, call.language, query.limit, query.cursor))


@endpoint("GET /v1/distributor/leaderboard", MEMBER, errors=_NOBODY)
def get_leaderboard(call: Call, query: LeaderboardQuery) -> Leaderboard:
    """List the best twenty of a month by sales, with the first characters of their names, and me; where the mall has a
    leaderboard."""
    return leaderboards.leaderboard(call.caller, query.month)


@endpoint(
    "POST /v1/distributor/links",
    MEMBER,
    errors=("not_found", "distributor_state", "product_unavailable", "invalid"),
    per_minute=20,
)
def make_link(call: Call, body: LinkInput) -> LinkView:
    """Make a link to share, with what a poster shows; the same request again gives the same token."""
    return links.make(call.caller, body.product_id, body.page, body.channel)


@endpoint("GET /v1/links/{token}", PUBLIC, cache_seconds=_LINK_SECONDS)
def get_link(token: str) -> LinkTarget:
    """Read what a token opens that the mini-program was given as its scene."""
    return links_queries.target(token)


@endpoint("GET /v1/links/{token}/code", PUBLIC, cache_seconds=_PICTURE_SECONDS, media="image/png, image/jpeg")
def get_link_code(token: str) -> bytes | Reply:
    """Give the picture of a token's mini-program code."""
    picture, media = links.code(token)
    return Reply(picture, content_type=media)


@endpoint("POST /v1/distributor", MEMBER, errors=("distribution_off", "conflict"))
def become_distributor(call: Call) -> DistributorView:
    """Become a distributor, which costs nothing; where the mall reviews, wait to be approved. Twice is no error."""
    return distributor_view(service.apply(call.caller))
