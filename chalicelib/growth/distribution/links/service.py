"""Links that distributors share: a short token for a product or a page, what it opens, and the picture of its code."""

from __future__ import annotations

import base64
import contextlib
from urllib.parse import urlencode

from chalicelib.commerce.catalogue.listings import rules as listing_keys
from chalicelib.commerce.catalogue.products import queries as product_queries
from chalicelib.commerce.catalogue.rules import Card
from chalicelib.core import clock, ids, log
from chalicelib.core.errors import MallError, invalid, unavailable
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as member_queries
from chalicelib.growth.distribution.distributors import queries as distributor_queries
from chalicelib.growth.distribution.links.queries import find as find_link
from chalicelib.growth.distribution.links.queries import links_of, page_path
from chalicelib.growth.distribution.links.views import LinkView, Poster
from chalicelib.growth.distribution.refusals import (
    NO_SUCH_SHARED_PRODUCT,
    SHARED_PRODUCT_UNAVAILABLE,
    TOO_MANY_LINKS,
)
from chalicelib.growth.distribution.rules import Link
from chalicelib.growth.distribution.tables import LINK, Distributors, LinkPictures, Links
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, save
from chalicelib.platform.store.versioned import Conflict, commit

#: How many links a distributor may have made.
LINKS_MAX = 1000
#: The largest picture that is stored, in bytes: an item has room for 400 KB, and base64 takes a third more.
_STORED_BYTES_MAX = 250_000


def make(member_id: str, product_id: str | None, page: str | None, channel: str | None) -> LinkView:
    """Make a distributor's link; the same request again gives the same token.

    Raises `not_found` for a member who never applied and for no product, `distributor_state`, `product_unavailable`,
    and `invalid` for one link too many.
    """
    distributor_queries.sharing_distributor(member_id)
    card = None if product_id is None else _card(product_id)
    profile = member_queries.profile(member_id)
    where = page or page_path(product_id)
    # The page is part of it, also where settings name it: a printed code opens what it opened when it was printed.
    token = ids.derived("l", member_id, product_id or "", where, channel or "")
    if read.get(Links, token) is None:
        check_room(member_id)
        link = Link(member_id=member_id, product_id=product_id, page=where, channel=channel, made_at=clock.now())
        tx = Transaction()
        tx.create(Links(token, link=link), Conflict)
        tx.create(Distributors(member_id, LINK + token), Conflict)
        with contextlib.suppress(Conflict):  # the same request came twice at once
            commit(tx)
    query = ({} if product_id is None else {"id": product_id}) | {"s": token}
    return LinkView(
        token=token,
        path=f"{where}?{urlencode(query)}",
        qr_code_url=f"{settings().public_url}/v1/links/{token}/code",
        poster=Poster(
            title=card.name if card is not None else "",
            price_fen=card.price_fen if card is not None else None,
            list_price_fen=card.list_price_fen if card is not None else None,
            picture_url=card.picture_url if card is not None else "",
            text=card.brief if card is not None else "",
            nickname=profile.shown_nickname,
            avatar_url=profile.shown_avatar_url,
        ),
    )


def check_room(member_id: str) -> None:
    """Raises `invalid` where the member has as many links as anybody may have; of several at once, a few more pass."""
    if len(links_of(member_id)) >= LINKS_MAX:
        raise invalid(TOO_MANY_LINKS.at("body", limit=LINKS_MAX))


def _card(product_id: str) -> Card:
    known = product_queries.load(product_id, consistent=False)
    if known.product is None or not (known.product.published or known.product.shown):
        raise MallError("not_found", errors=(NO_SUCH_SHARED_PRODUCT.at("product_id"),))
    if not known.product.published:
        raise MallError("product_unavailable", errors=(SHARED_PRODUCT_UNAVAILABLE.at("product_id"),))
    return listing_keys.card(known.product, known.sold, known.stocks)


def code(token: str) -> tuple[bytes, str]:
    """Give the picture of the token's mini-program code, and its media type. WeChat draws it once, then it is stored.

    Raises `not_found`, and `unavailable` while WeChat does not draw.
    """
    drawn = read.get(LinkPictures, token, consistent=False)
    if drawn is not None:
        return base64.b64decode(drawn.picture), drawn.content_type
    link = find_link(token)
    picture, content_type = _drawn(token, link.page or page_path(link.product_id))
    if len(picture) <= _STORED_BYTES_MAX:
        save(LinkPictures(token, picture=base64.b64encode(picture).decode(), content_type=content_type))
    return picture, content_type


def _drawn(token: str, page: str) -> tuple[bytes, str]:
    from chalicelib.gateways.wechat import mini  # requests and cryptography: only what talks to WeChat pays for them
    from chalicelib.gateways.wechat.errors import WechatError

    try:
        return mini.code_image(token, page)
    except WechatError as fault:
        log.warning("wechat_failed", reason=fault.code)
        raise unavailable() from fault
