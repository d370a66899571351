"""Coupon templates, members and their coupons, for tests in this process."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.coupons import templates
from chalicelib.coupons.rules import Held, Template, TemplateInput
from chalicelib.coupons.tables import Coupons, held
from chalicelib.members import service as members
from chalicelib.members.rules import Profile
from chalicelib.store import cache, read
from chalicelib.web import tokens
from tests.support.client import Client, in_process

_T = TypeVar("_T")
_A = TypeVar("_A")


def body(**more: Any) -> dict[str, Any]:
    """A template as an operator writes it: 5 yuan off, a week, one each of ten, for whoever claims."""
    return {
        "name": "五元券", "kind": "amount_off", "amount_fen": 500, "threshold_fen": 2000, "total": 10,
        "limit_per_member": 1, "valid": {"days": 7}, "how": ["claim"],
    } | more  # fmt: skip


def template(**more: Any) -> Template:
    return templates.create(msgspec.convert(body(**more), TemplateInput))


def figures(made: Template) -> tuple[int, int]:
    """Issued and left, which are the total together."""
    found = templates.figures([templates.load(made.template_id).template])[0]
    total = templates.load(made.template_id).template.total
    assert found.left >= 0
    assert found.issued + found.left == total
    return found.issued, found.left


def member(joined_at: datetime | None = None, **more: Any) -> str:
    """A member who has joined."""
    member_id = f"m{secrets.token_hex(12)}"
    join(Profile(member_id=member_id, openid=f"o-{member_id}", joined_at=joined_at or clock.now(), **more))
    return member_id


def join(profile: Profile) -> None:
    assert members._join(f"mini:{profile.openid}", profile)


def shopper(member_id: str) -> Client:
    return Client(in_process(), tokens.issue("member", member_id, clock.now() + timedelta(days=3650)))


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


def at_once(act: Callable[[_A], _T], arguments: Sequence[_A], threads: int = 16) -> list[_T | str]:
    """The act with each of these, in so many threads."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda argument: told(lambda: act(argument)), arguments))
