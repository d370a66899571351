"""Reads of links: what one opens."""

from __future__ import annotations

from chalicelib.core.errors import MallError
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.rules import stranger_name
from chalicelib.growth.distribution.links.views import LinkTarget
from chalicelib.growth.distribution.rules import Link
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.distribution.tables import LINK, Distributors, Links
from chalicelib.platform.store import read


def page_path(product_id: str | None) -> str:
    """Give the page that settings name for a product, or for the mall."""
    rules = DISTRIBUTION.current()
    return rules.home_page if product_id is None else rules.product_page


def target(token: str) -> LinkTarget:
    """Tell what a token opens, or an invite code. Raises `not_found`."""
    link = find(token)
    profile = member_queries.found(link.member_id)
    return LinkTarget(
        page=link.page or page_path(link.product_id), product_id=link.product_id, channel=link.channel,
        nickname=stranger_name(profile),
    )  # fmt: skip


def find(token: str) -> Link:
    """Read a link. Raises `not_found`."""
    item = read.get(Links, token, consistent=False)
    if item is None:
        item = read.get(Links, token)  # made this moment
    if item is None:
        raise MallError("not_found")
    return item.link


def is_known(token: str) -> bool:
    """Tell whether a token is a link's, or an invite code."""
    return read.get(Links, token, consistent=False) is not None or read.get(Links, token) is not None


def links_of(member_id: str) -> list[str]:
    """List the tokens of the links that the member has made."""
    where = Distributors.part.startswith(LINK)
    return [item.part.removeprefix(LINK) for item in read.query_all(Distributors, member_id, where=where)]
