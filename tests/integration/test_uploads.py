"""Uploads: a form that holds to what was said, a file that nobody sees before it is used, and what becomes of it."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.core import clock
from chalicelib.customers.members.privacy import service as privacy
from chalicelib.mall.files.rules import A_DAY_MAX
from chalicelib.mall.files.tables import OPERATORS, Uploads, is_upload, owner_of
from chalicelib.platform.jobs import worker
from chalicelib.platform.store import read
from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from local.notices import payment_callback
from tests.support.uploads import GIF, JPEG, PICTURES, PNG, begin, seen, send, upload

DAY = 24 * 3600


def keys(shopper: Shopper) -> list[str]:
    """The keys of all files in the store."""
    found: list[str] = shopper.sandbox.get("files")["keys"]
    return found


def of(url: str) -> str:
    """The id of the upload at this address."""
    return url.rpartition("/")[2].partition(".")[0]


def files_of(shopper: Shopper, url: str) -> list[str]:
    return [key.partition("/")[0] for key in keys(shopper) if of(url) in key]


def uploads_of(owner: str) -> list[str]:
    return [item.upload.upload_id for item in read.query_all(Uploads, owner, consistent=True) if is_upload(item)]


def work(mall_clock: LocalClock, seconds: float = 0) -> None:
    """Let time pass, and run what is due."""
    mall_clock.advance(seconds)
    while worker.run_due():
        pass


def wear(shopper: Shopper, url: str) -> Any:
    return shopper.call("PATCH", "/v1/me", {"avatar_url": url})


def refused_for(answer: Any, code: str, field: str = "avatar_url") -> None:
    errors = answer.refused(422, "invalid")["errors"]
    assert [(one["field"], one["code"]) for one in errors] == [(field, code)]


@pytest.mark.parametrize("content_type", list(PICTURES))
def test_a_picture_is_seen_by_nobody_until_it_is_used(shopper: Shopper, content_type: str) -> None:
    url = upload(shopper, content_type=content_type)
    assert files_of(shopper, url) == ["private"]
    private = url.replace("/public/", "/private/").rpartition(".")[0]
    assert (seen(url), seen(private)) == (404, 403)
    assert wear(shopper, url).ok()["avatar_url"] == url
    shown = requests.get(url, timeout=10)
    assert (shown.content, shown.headers["Content-Type"]) == (PICTURES[content_type], content_type)
    assert seen(private) == 403


def test_an_upload_says_how_where_and_until_when(shopper: Shopper) -> None:
    begun = begin(shopper, "refund", "image/webp", 77)
    assert begun["upload"]["method"] == "POST"
    assert begun["url"].endswith(".webp")
    assert clock.from_stamp(begun["expires_at"]) - clock.now() <= timedelta(days=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "public/mine.png"}, {"Content-Type": "text/html"}, {"Content-Type": None}, {"policy": "e30="},
        {"x-amz-signature": "0" * 64}, {"x-amz-date": "20200101T000000Z"}, {"acl": "public-read"},
        {"success_action_redirect": "https://evil.example/"},
    ],
    ids=str,
)  # fmt: skip
def test_a_form_that_is_not_as_it_was_signed_is_refused(shopper: Shopper, changes: dict[str, Any]) -> None:
    before = keys(shopper)
    assert send(begin(shopper), PNG, **changes) in (400, 403)
    assert keys(shopper) == before


@pytest.mark.parametrize(("bytes_", "status"), [(0, 400), (1000, 204), (1001, 400)])
def test_a_file_is_as_large_as_was_said(shopper: Shopper, bytes_: int, status: int) -> None:
    assert send(begin(shopper), PNG[:bytes_].ljust(bytes_, b"\0")) == status


def test_a_form_is_good_for_a_day(shopper: Shopper, mall_clock: LocalClock) -> None:
    begun = begin(shopper)
    mall_clock.advance(DAY)
    assert send(begun, PNG) == 403


@pytest.mark.parametrize(
    "body",
    [
        {"purpose": "product", "content_type": "image/png", "size": 1},
        {"purpose": "avatar", "content_type": "image/svg+xml", "size": 1},
        {"purpose": "avatar", "content_type": "image/png", "size": 0},
        {"purpose": "avatar", "content_type": "image/png"},
    ],
)
def test_what_is_no_upload(shopper: Shopper, body: dict[str, Any]) -> None:
    assert shopper.post("/v1/uploads", body).refused(400, "malformed")["errors"]


def test_a_portrait_is_smaller_than_a_proof(shopper: Shopper) -> None:
    body = {"purpose": "avatar", "content_type": "image/png", "size": 3 * 1024 * 1024}
    refused_for(shopper.post("/v1/uploads", body), "at_most", "size")
    shopper.post("/v1/uploads", body | {"purpose": "refund"}).ok(201)


def test_a_member_uploads_twenty_times_a_day_however_many_ask_at_once(shopper: Shopper, mall_clock: LocalClock) -> None:
    body = {"purpose": "review", "content_type": "image/png", "size": 1}
    with ThreadPoolExecutor(5) as crowd:
        answers = list(crowd.map(lambda _: shopper.post("/v1/uploads", body), range(A_DAY_MAX + 5)))
    assert sorted(answer.status for answer in answers) == [201] * A_DAY_MAX + [429] * 5
    assert len(uploads_of(owner_of(shopper.member_id))) == A_DAY_MAX
    late = next(answer for answer in answers if answer.status == 429)
    mall_clock.advance(int(late.headers["retry-after"]))
    shopper.post("/v1/uploads", body).ok(201)


def test_what_is_used_must_be_what_was_said(shopper: Shopper) -> None:
    for file in (JPEG, GIF, b"<html><script>"):
        begun = begin(shopper)
        assert send(begun, file) == 204
        refused_for(wear(shopper, begun["url"]), "other_type")
        assert seen(begun["url"]) == 404
    refused_for(wear(shopper, upload(shopper, "refund")), "other_purpose")
    refused_for(wear(shopper, begin(shopper)["url"]), "not_uploaded")
    assert shopper.get("/v1/me").ok()["avatar_url"] == ""


def test_an_address_that_no_key_has_room_for_is_refused(shopper: Shopper) -> None:
    begun = begin(shopper)
    start = begun["url"].rpartition("/")[0]
    for name in ("图" * 400 + ".png", "u" + "a" * 400 + ".png", ".png", "u.png/../x"):
        refusal = shopper.put("/v1/me", {"avatar_url": f"{start}/{name}"}).refused(422, "invalid")
        assert [one["code"] for one in refusal["errors"]] == ["no_such_upload"]


def test_one_uses_what_one_has_uploaded_oneself(shopper: Shopper, operator: Operator) -> None:
    other = Shopper.arrive(shopper.send, shopper.sandbox)
    url = upload(other)
    refused_for(wear(shopper, url), "no_such_upload")
    refused_for(wear(shopper, url.replace(of(url), "u" + "a" * 24)), "no_such_upload")
    wear(other, url).ok()
    refused_for(wear(shopper, url), "no_such_upload")
    refused_for(wear(other, url.replace(".png", ".gif")), "no_such_upload")
    refused_for(wear(other, f"{url}?x=1"), "no_such_upload")
    refused_for(
        operator.post("/v1/admin/products", {"name": "茶", "skus": [], "picture_url": url} | _skus()), "no_such_upload",
        "picture_url",
    )  # fmt: skip


def test_what_nothing_uses_is_gone_after_a_day(shopper: Shopper, mall_clock: LocalClock) -> None:
    unused, used = upload(shopper), upload(shopper)
    wear(shopper, used).ok()
    never_sent = begin(shopper)["url"]
    work(mall_clock, DAY)
    refused_for(wear(shopper, unused), "no_such_upload")
    assert uploads_of(owner_of(shopper.member_id)) == [of(used)]
    work(mall_clock, 120)
    assert [files_of(shopper, url) for url in (unused, used, never_sent)] == [[], ["public"], []]
    assert seen(used) == 200


def test_a_picture_that_another_takes_the_place_of_is_gone(shopper: Shopper, mall_clock: LocalClock) -> None:
    first, second = upload(shopper), upload(shopper, content_type="image/gif")
    for url in (first, second):
        wear(shopper, url).ok()
    work(mall_clock, 120)
    assert (files_of(shopper, first), seen(second)) == ([], 200)
    refused_for(wear(shopper, first), "no_such_upload")
    wear(shopper, "").ok()
    work(mall_clock, 120)
    assert files_of(shopper, second) == []


def test_the_store_that_does_not_answer_loses_nothing(shopper: Shopper, mall_clock: LocalClock) -> None:
    url = upload(shopper)
    shopper.sandbox.fault("/_files/", "error")
    wear(shopper, url).refused(503, "unavailable")
    wear(shopper, url).ok()
    wear(shopper, "").ok()
    shopper.sandbox.fault("/_files/", "error")
    work(mall_clock, 120)
    work(mall_clock, 60)
    assert files_of(shopper, url) == []


def test_a_picture_that_ends_as_it_is_used_is_either_gone_or_seen(shopper: Shopper, mall_clock: LocalClock) -> None:
    used = []
    for _ in range(8):
        url = upload(shopper)
        mall_clock.advance(DAY)
        with ThreadPoolExecutor(2) as crowd:
            answer = crowd.submit(wear, shopper, url)
            crowd.submit(worker.run_due).result()
        is_used = answer.result().status == 200
        used.append(is_used)
        if not is_used:
            refused_for(answer.result(), "no_such_upload")
        work(mall_clock, 120)
        assert (seen(url), files_of(shopper, url)) == ((200, ["public"]) if is_used else (404, []))
        wear(shopper, "").ok()
    assert used


def test_of_two_pictures_at_once_one_stays(shopper: Shopper, mall_clock: LocalClock) -> None:
    for _ in range(5):
        urls = [upload(shopper), upload(shopper)]
        with ThreadPoolExecutor(2) as crowd:
            answers = list(crowd.map(lambda url: wear(shopper, url), urls))
        assert [answer.status for answer in answers] == [200, 200]
        work(mall_clock, 120)
        worn = shopper.get("/v1/me").ok()["avatar_url"]
        assert [seen(url) for url in urls] == [200 if url == worn else 404 for url in urls]


def _skus() -> dict[str, Any]:
    code = f"c{secrets.token_hex(4)}"
    return {"skus": [{"sku_code": code, "specs": {}, "price_fen": 100, "stock": 1}], "publish": True}


def test_a_product_shows_what_an_operator_has_uploaded(
    operator: Operator, shopper: Shopper, mall_clock: LocalClock
) -> None:
    main, more, other = (upload(operator, "product") for _ in range(3))
    product = operator.product(picture_url=main, gallery=[main, more, "http://cdn.example/a.png"])
    work(mall_clock, DAY)
    work(mall_clock, 120)
    assert [seen(url) for url in (main, more, other)] == [200, 200, 404]
    path = f"/v1/admin/products/{product['product_id']}"
    refused_for(operator.call("PATCH", path, {"gallery": [main, other]}), "no_such_upload", "gallery[1]")
    operator.call("PATCH", path, {"gallery": [more]}).ok()
    assert seen(main) == 200  # orders of it show it still
    category = operator.post("/v1/admin/categories", {"name": "茶", "picture_url": upload(operator, "product")}).ok(201)
    assert seen(category["picture_url"]) == 200
    assert of(main) in uploads_of(OPERATORS)


@pytest.fixture
def paid(shopper: Shopper, operator: Operator) -> str:
    """An order, paid and sent."""
    order_id = shopper.place([(operator.product()["skus"][0]["sku_id"], 2)])["order_id"]
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()
    operator.ship(order_id)
    return str(order_id)


def ask(shopper: Shopper, order_id: str, pictures: list[str], key: str = "") -> Any:
    body = {"reason": "破损", "pictures": pictures}
    return shopper.post(f"/v1/orders/{order_id}/refunds", body, key=key or secrets.token_hex(8))


def test_a_refund_is_asked_for_with_pictures_that_operators_see(
    shopper: Shopper, operator: Operator, paid: str, mall_clock: LocalClock
) -> None:
    pictures = [upload(shopper, "refund") for _ in range(9)]
    key = secrets.token_hex(8)
    refund = ask(shopper, paid, pictures, key).ok(202)
    assert (refund["state"], refund["pictures"]) == ("requested", pictures)
    assert ask(shopper, paid, pictures, key).ok(202) == refund
    ask(shopper, paid, pictures[:8], key).refused(422, "idempotency_key_reused")
    assert operator.get(f"/v1/admin/orders/{paid}").ok()["refunds"][0]["pictures"] == pictures
    assert shopper.order(paid)["refunds"][0]["pictures"] == pictures
    work(mall_clock, DAY)
    work(mall_clock, 120)
    assert {seen(url) for url in pictures} == {200}


def test_a_refund_is_not_asked_for_with_other_pictures(shopper: Shopper, paid: str) -> None:
    fine = upload(shopper, "refund")
    refused_for(ask(shopper, paid, [fine, upload(shopper)]), "other_purpose", "pictures[1]")
    refused_for(ask(shopper, paid, ["https://thirdwx.qlogo.cn/x"]), "no_such_upload", "pictures[0]")
    refused_for(ask(shopper, paid, [fine, fine]), "named_twice", "pictures[1]")
    ask(shopper, paid, [fine] * 10).refused(400, "malformed")
    ask(shopper, paid, ["wxfile://a"]).refused(400, "malformed")
    assert shopper.order(paid)["refunds"] == []


def test_who_leaves_is_shown_their_uploads_and_leaves_none(
    shopper: Shopper, operator: Operator, mall_clock: LocalClock
) -> None:
    worn, waiting = upload(shopper), upload(shopper, "review")
    wear(shopper, worn).ok()
    shown = shopper.get("/v1/me/export").ok()["sections"]["uploads"]
    assert sorted((one["url"], one["purpose"], "used_at" in one) for one in shown) == sorted(
        [(worn, "avatar", True), (waiting, "review", False)]
    )
    privacy.erase(shopper.member_id)
    work(mall_clock)
    left = list(read.query_all(Uploads, owner_of(shopper.member_id), consistent=True))
    assert [(one.part[:4], one.times, one.upload) for one in left] == [("day:", 2, None)]
    work(mall_clock, 120)
    assert [files_of(shopper, url) for url in (worn, waiting)] == [[], []]


def test_the_pictures_of_a_refund_go_with_its_member(
    shopper: Shopper, operator: Operator, paid: str, mall_clock: LocalClock
) -> None:
    url = upload(shopper, "refund")
    refund = ask(shopper, paid, [url]).ok(202)
    operator.post(f"/v1/admin/orders/{paid}/refunds/{refund['refund_id']}/reject", {"reason": "完好"}).ok()
    shopper.post(f"/v1/orders/{paid}/receive").ok()
    work(mall_clock, 20 * DAY)
    privacy.erase(shopper.member_id)
    work(mall_clock, 120)
    work(mall_clock, 120)
    assert order_queries.find(paid).value.refunds[0].pictures == []
    assert files_of(shopper, url) == []


def test_a_mall_without_a_bucket_takes_no_uploads(shopper: Shopper, monkeypatch: pytest.MonkeyPatch) -> None:
    from chalicelib.core import settings

    before = settings._environment
    settings.use({name: value for name, value in before.items() if name != "YUTANG_UPLOADS_BUCKET"})
    try:
        body = {"purpose": "avatar", "content_type": "image/png", "size": 1}
        shopper.post("/v1/uploads", body).refused(503, "unavailable")
    finally:
        settings.use(before)


def test_the_sandbox_forgets_files_with_everything_else(sandbox: str, shopper: Shopper) -> None:
    url = upload(shopper)
    assert files_of(shopper, url)
    Sandbox(sandbox).post("reset", {})
    assert keys(shopper) == []
