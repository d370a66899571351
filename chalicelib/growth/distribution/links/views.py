"""Links as distributors share them and as visitors see them."""

from __future__ import annotations

import msgspec


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
