"""What every answer carries, what a query may say, and how often a member may ask one process."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest
from chalice.app import Chalice
from werkzeug.test import Client

from chalicelib.core import clock, settings
from chalicelib.platform.web import edge, limits, ports, tokens
from chalicelib.platform.web.endpoint import BODY_MAX, CALLBACK, MEMBER, PUBLIC, Audience, Endpoint, Reply
from chalicelib.platform.web.types import PageQuery
from local.serve import gateway


class ListQuery(PageQuery, kw_only=True):
    """A list that can be asked for by a category and from a day on."""

    category_id: str | None = None


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    before = settings._environment
    yield
    settings.use(before)
    edge._transport.cache_clear()


def use(**more: str) -> None:
    settings.use(dict(settings._environment) | {"YUTANG_TOKEN_KEYS": json.dumps(["k" * 32])} | more)
    edge._transport.cache_clear()


def served(
    audience: Audience = PUBLIC,
    media: str = "application/json",
    cache_seconds: int | None = None,
    shared: bool = False,
) -> Client:
    """A mall with one list, which answers with what it was asked."""
    app = Chalice("manners", configure_logs=False)

    def handler(query: ListQuery) -> Reply:
        return Reply(msgspec.json.encode(query), content_type=media)

    declared = Endpoint(
        method="GET", path="/list", audience=audience, permission="", handler=handler, status=200, idempotent=False,
        errors=(), cache_seconds=cache_seconds, shared=shared, media=media, takes="application/json", body_max=BODY_MAX,
        per_minute=None, fields_of="chalicelib.platform.web.types",
    )  # fmt: skip
    edge.register(app, None, [declared])  # type: ignore[arg-type]  # no operator calls here
    return Client(gateway(app))


def test_what_a_form_left_empty_was_not_asked_for() -> None:
    bare = served().get("/list").json
    assert served().get("/list?category_id=&limit=&cursor=").json == bare
    assert served().get("/list?category_id=c1&limit=").json == bare | {"category_id": "c1"}


@pytest.mark.parametrize("query", ["page=2", "page=2&pageSize=5", "limit=5&Limit=5", "=1", "utm=1", "from2=x", "__=1"])
def test_a_parameter_that_nobody_knows_is_refused_by_its_name(query: str) -> None:
    refusal = served().get(f"/list?{query}")
    assert (refusal.status_code, refusal.json["code"]) == (400, "malformed")
    named = [one["field"] for one in refusal.json["errors"]]
    assert named == [name for name in (part.partition("=")[0] for part in query.split("&")) if name != "limit"]


def test_what_wechat_and_browsers_add_to_an_address_is_let_through() -> None:
    query = "utm_source=a&utm_campaign=b&from=singlemessage&isappinstalled=0&nsukey=x%3D&_=1732861234"
    assert served().get(f"/list?{query}").json == served().get("/list").json


@pytest.mark.parametrize(("audience", "media"), [(CALLBACK, "application/json"), (PUBLIC, "text/html; charset=utf-8")])
def test_a_callback_and_a_page_may_be_asked_with_anything(audience: Audience, media: str) -> None:
    assert served(audience, media).get("/list?anything=1").status_code == 200


@pytest.mark.parametrize(
    ("public_url", "told"), [("http://127.0.0.1:8000", None), ("https://mall.example", "max-age=31536000")]
)
@pytest.mark.parametrize("query", ["", "?page=2"])
def test_no_browser_guesses_a_type_and_https_stays_https(public_url: str, told: str | None, query: str) -> None:
    use(YUTANG_PUBLIC_URL=public_url)
    headers = served().get(f"/list{query}").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers.get("Strict-Transport-Security") == told


@pytest.mark.parametrize(
    ("shared", "by_cdn", "told"),
    [
        (True, "60", "public, max-age=5, s-maxage=60, stale-while-revalidate=60"),
        (True, "0", "public, max-age=5"),
        (False, "60", "public, max-age=5"),
    ],
    ids=["shared, by a CDN", "no CDN", "anything else"],
)
def test_a_cdn_may_keep_what_is_shared_where_there_is_one(shared: bool, by_cdn: str, told: str) -> None:
    use(YUTANG_CDN_SECONDS=by_cdn)
    shop = served(cache_seconds=5, shared=shared)
    answer = shop.get("/list")
    same = shop.get("/list", headers={"If-None-Match": answer.headers["ETag"]})
    assert (answer.status_code, same.status_code) == (200, 304)
    assert answer.headers["Cache-Control"] == same.headers["Cache-Control"] == told


def test_nobody_keeps_a_refusal() -> None:
    use(YUTANG_CDN_SECONDS="60")
    refusal = served(cache_seconds=5, shared=True).get("/list?limit=0")
    assert (refusal.status_code, refusal.headers["Cache-Control"]) == (400, "no-store")


def token(member: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.issue('member', member, clock.from_ms((clock.unix() + 9999) * 1000))}"}


def test_a_member_who_asks_too_often_waits_for_the_next_minute_and_others_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1_000_000_020]
    monkeypatch.setattr(limits.clock, "unix", lambda: now[0])
    monkeypatch.setattr(ports, "_gate", lambda token: token.subject)
    use()
    shop = served(MEMBER)
    busy = token("m-busy")
    told = [shop.get("/list", headers=busy).status_code for _ in range(limits.HERE_PER_MINUTE)]
    assert set(told) == {200}
    refusal = shop.get("/list", headers=busy)
    assert (refusal.status_code, refusal.json["code"]) == (429, "too_many_requests")
    assert refusal.headers["Retry-After"] == str(60 - now[0] % 60)
    assert shop.get("/list", headers=token("m-other")).status_code == 200
    now[0] += 60 - now[0] % 60
    assert shop.get("/list", headers=busy).status_code == 200


def test_what_was_counted_in_a_minute_is_forgotten_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000_080]
    monkeypatch.setattr(limits.clock, "unix", lambda: now[0])
    for member in range(100):
        limits.count_here("list", f"m{member}")
    now[0] += 60
    limits.count_here("list", "m")
    assert limits._Minute.times == {("list", "m"): 1}
