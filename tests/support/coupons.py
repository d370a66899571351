"""Coupon templates, members and their coupons, for tests in this process."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

import msgspec

from chalicelib.commerce.coupons.centre import service as centre
from chalicelib.commerce.coupons.inputs import TemplateInput
from chalicelib.commerce.coupons.rules import Held, Template
from chalicelib.commerce.coupons.tables import Coupons, held
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.coupons.templates import service as templates
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.tables import Members, profile_item
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.base import call
from chalicelib.platform.web import tokens
from local.client import Client, coupon_template, in_process

_BATCH_MAX = 25

_T = TypeVar("_T")
_A = TypeVar("_A")


def template(**more: Any) -> Template:
    return templates.create(msgspec.convert(coupon_template(**more), TemplateInput))


def figures(made: Template) -> tuple[int, int]:
    """Issued and left, which are the total together."""
    found = template_queries.figures([template_queries.load(made.template_id).value])[0]
    total = template_queries.load(made.template_id).value.total
    assert found.left >= 0
    assert found.issued + found.left == total
    return found.issued, found.left


def member(**more: Any) -> str:
    """A member who has joined."""
    return crowd(1, **more)[0]


def crowd(count: int, **more: Any) -> list[str]:
    """So many members who have joined just now, unless `joined_at` says otherwise."""
    given = {"joined_at": clock.now()} | more
    ids = [f"m{secrets.token_hex(12)}" for _ in range(count)]
    for start in range(0, count, _BATCH_MAX):
        items = [
            profile_item(Profile(member_id=each, openid=f"o-{each}", **given))
            for each in ids[start : start + _BATCH_MAX]
        ]
        requests = [{"PutRequest": {"Item": item.serialize()}} for item in items]
        assert not call("BatchWriteItem", {"RequestItems": {Members.Meta.table_name: requests}})["UnprocessedItems"]
    return ids


def token_of(member_id: str) -> str:
    return tokens.issue("member", member_id, clock.now() + timedelta(days=3650))


def shopper(member_id: str) -> Client:
    return Client(in_process(), token_of(member_id))


def coupons_of(member_id: str) -> list[Held]:
    items = read.query_all(Coupons, member_id, consistent=True)
    return [held(item) for item in items if item.part.startswith("coupon#")]


def fresh() -> None:
    """Nothing is remembered."""
    cache.forget("coupons")


def told(act: Callable[[], _T]) -> _T | str:
    """What it gives, or the code that it is refused with. Who is told that the mall is busy asks again."""
    while True:
        try:
            return act()
        except MallError as fault:
            if fault.code not in ("unavailable", "conflict"):
                return fault.code


def claimed(member_id: str, made: Template) -> str:
    """The member takes a coupon from the centre: "ok", or the code that they are refused with."""
    fresh()
    answer = told(lambda: centre.claim(member_id, made.template_id))
    return answer if isinstance(answer, str) else "ok"


def at_once(act: Callable[[_A], _T], arguments: Sequence[_A], threads: int = 16) -> list[_T | str]:
    """The act with each of these, in so many threads."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda argument: told(lambda: act(argument)), arguments))
