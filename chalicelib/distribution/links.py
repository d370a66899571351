"""Links that distributors share: a short token for a product or a page, what it opens, and the picture of its code."""

from __future__ import annotations

import base64
import contextlib
from urllib.parse import urlencode

import msgspec

from chalicelib.catalogue import placing, products
from chalicelib.catalogue.rules import Card
from chalicelib.core import clock, ids, log
from chalicelib.core.errors import FieldError, MallError, unavailable
from chalicelib.core.settings import settings
from chalicelib.distribution import service
from chalicelib.distribution.rules import Link
from chalicelib.distribution.service import DISTRIBUTION
from chalicelib.distribution.tables import LinkPictures, Links
from chalicelib.members import service as members
from chalicelib.members.rules import masked
from chalicelib.store import read
from chalicelib.store.transaction import ConditionFailed, Transaction, save

#: Larger pictures are not kept: an item has room for 400 KB, and base64 takes a third more.
_KEPT_BYTES_MAX = 250_000


class Poster(msgspec.Struct, kw_only=True):
    """What a poster shows beside the code; prices are null where no product is shared."""

    title: str
    price_fen: int | None
    list_price_fen: int | None
    picture_url: str
    text: str
    nickname: str
    avatar_url: str


class LinkView(msgspec.Struct, kw_only=True):
    """A link to share: `token` is the scene of a mini-program code, `path` the page with its query."""

    token: str
    path: str
    qr_code_url: str
    poster: Poster


class LinkTarget(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a token opens, and by whom, as strangers may see it."""

    page: str
    nickname: str
    product_id: str | None = None
    channel: str | None = None


def make(member_id: str, product_id: str | None, page: str | None, channel: str | None) -> LinkView:
    """A distributor's link; the same again is the same token.

    Raises `not_found` for who never applied and for no product, `distributor_state`, `product_unavailable`.
    """
    service.active(member_id)
    card = None if product_id is None else _card(product_id)
    profile = members.profile(member_id)
    where = page or _page(product_id)
    # The page is part of it, also where settings name it: a printed code opens what it opened when it was printed.
    token = ids.derived("l", member_id, product_id or "", where, channel or "")
    if read.get(Links, token) is None:
        link = Link(member_id=member_id, product_id=product_id, page=where, channel=channel, made_at=clock.now())
        tx = Transaction()
        tx.create(Links(token, link=link))
        with contextlib.suppress(ConditionFailed):  # the same request came twice at once
            tx.commit()
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
            nickname=profile.nickname,
            avatar_url=profile.avatar_url,
        ),
    )


def _card(product_id: str) -> Card:
    shelf = products.load(product_id, consistent=False)
    if shelf.product is None:
        raise MallError("not_found", errors=(FieldError("product_id", "no such product"),))
    if not shelf.product.published:
        raise MallError("product_unavailable")
    return placing.card(shelf.product, shelf.sold, shelf.stocks)


def _page(product_id: str | None) -> str:
    rules = DISTRIBUTION.current()
    return rules.home_page if product_id is None else rules.product_page


def target(token: str) -> LinkTarget:
    """What a token opens, an invite code too. Raises `not_found`."""
    link = _link(token)
    profile = members.found(link.member_id)
    return LinkTarget(
        page=link.page or _page(link.product_id), product_id=link.product_id, channel=link.channel,
        nickname=masked("" if profile is None else profile.nickname),
    )  # fmt: skip


def code(token: str) -> tuple[bytes, str]:
    """The picture of the token's mini-program code, and its media type. WeChat draws it once, then it is kept.

    Raises `not_found`, and `unavailable` while WeChat does not draw.
    """
    kept = read.get(LinkPictures, token, consistent=False)
    if kept is not None:
        return base64.b64decode(kept.picture), kept.content_type
    link = _link(token)
    picture, content_type = _drawn(token, link.page or _page(link.product_id))
    if len(picture) <= _KEPT_BYTES_MAX:
        save(LinkPictures(token, picture=base64.b64encode(picture).decode(), content_type=content_type))
    return picture, content_type


def _link(token: str) -> Link:
    item = read.get(Links, token, consistent=False)
    if item is None:
        item = read.get(Links, token)  # made this moment
    if item is None:
        raise MallError("not_found")
    return item.link


def _drawn(token: str, page: str) -> tuple[bytes, str]:
    from chalicelib.wechat import mini  # requests and cryptography: only who talks to WeChat pays for them
    from chalicelib.wechat.errors import WechatError

    try:
        return mini.code_image(token, page)
    except WechatError as fault:
        log.warning("wechat_failed", reason=fault.code)
        raise unavailable() from fault
