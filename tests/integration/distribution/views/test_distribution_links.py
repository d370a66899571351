"""Links that distributors share: what they open, whose customers they bring, and the picture of their code."""

from __future__ import annotations

from typing import Any

from local.client import Operator, Sandbox, Shopper
from tests.support.distribution import (
    come_by,
    quick_member,
    run_jobs,
    set_rules,
)
from tests.support.distribution_views import PRICE, items


def test_a_link_is_the_same_each_time_fits_a_code_and_brings_customers(
    operator: Operator, people: list[Shopper], sandbox: str, product: Any
) -> None:
    _, b, _ = people
    body = {"product_id": product["product_id"], "channel": "poster-1"}
    link = b.post("/v1/distributor/links", body).ok()
    assert b.post("/v1/distributor/links", body).ok() == link
    assert 1 <= len(link["token"]) <= 32
    assert link["path"] == f"pages/product/product?id={product['product_id']}&s={link['token']}"
    assert link["qr_code_url"].endswith(f"/v1/links/{link['token']}/code")
    assert link["poster"] == {
        "title": product["name"], "price_fen": PRICE, "list_price_fen": product["list_price_fen"], "text": "一口就懂",
        "picture_url": "https://cdn.example/tea.png", "nickname": "沈知鱼", "avatar_url": "",
    }  # fmt: skip
    home = b.post("/v1/distributor/links", {}).ok()
    assert home["path"] == f"pages/index/index?s={home['token']}"
    assert home["poster"]["price_fen"] is None
    page = b.post("/v1/distributor/links", {"page": "pages/topic/topic"}).ok()
    assert page["path"] == f"pages/topic/topic?s={page['token']}"
    assert len({link["token"], home["token"], page["token"]}) == 3
    anybody = Shopper(operator.send, Sandbox(sandbox))
    assert anybody.get(f"/v1/links/{link['token']}").ok() == {
        "page": "pages/product/product", "nickname": "沈**", "product_id": product["product_id"], "channel": "poster-1",
    }  # fmt: skip
    code = b.get("/v1/distributor").ok()["invite_code"]
    assert anybody.get(f"/v1/links/{code}").ok() == {"page": "pages/index/index", "nickname": "沈**"}
    visitor = quick_member(operator.send, Sandbox(sandbox))
    come_by(visitor, link["token"])
    run_jobs()
    assert len(items(b, "/v1/distributor/customers")) == 2
    set_rules(operator, product_page="packages/goods/detail")
    moved = b.post("/v1/distributor/links", body).ok()
    assert moved["path"].startswith("packages/goods/detail?")
    assert anybody.get(f"/v1/links/{link['token']}").ok()["page"] == "pages/product/product"  # as it was printed


def test_links_are_for_active_distributors_and_products_on_sale(
    operator: Operator, people: list[Shopper], sandbox: str, product: Any
) -> None:
    _, b, _ = people
    b.post("/v1/distributor/links", {"product_id": "nothing"}).refused(404, "not_found")
    never = operator.product(publish=False)["product_id"]
    b.post("/v1/distributor/links", {"product_id": never}).refused(404, "not_found")
    hidden = operator.product()["product_id"]
    operator.post(f"/v1/admin/products/{hidden}/unpublish").ok()
    b.post("/v1/distributor/links", {"product_id": hidden}).refused(409, "product_unavailable")
    for wrong in ({"page": "/pages/x"}, {"page": "pages/x?y=1"}, {"channel": "中文"}, {"products": "x"}):
        refusal = b.post("/v1/distributor/links", wrong).refused(400, "malformed")
        assert [error["field"] for error in refusal["errors"]] == list(wrong)
    visitor = quick_member(operator.send, Sandbox(sandbox))
    visitor.post("/v1/distributor/links", {}).refused(404, "not_found")
    visitor.post("/v1/distributor").ok()
    pending = visitor.post("/v1/distributor/links", {}).refused(409, "distributor_state")
    assert (pending["state"], pending["errors"][0]["code"]) == ("pending", "wait_for_approval")
    assert pending["detail"] == "您的分销员申请正在等待审核，通过后才能分享商品"
    operator.post(f"/v1/admin/distributors/{b.member_id}/suspend").ok()
    stopped = b.post("/v1/distributor/links", {}).refused(409, "distributor_state")
    assert stopped["detail"] == "您的分销员资格已被暂停，不能分享商品，如有疑问请联系商家"
    b.get("/v1/distributor").ok()  # what was earned stays theirs to see


def test_the_picture_of_a_code_is_asked_of_wechat_once_and_kept_by_clients(
    operator: Operator, people: list[Shopper], sandbox: str
) -> None:
    wechat = Sandbox(sandbox)
    anybody = Shopper(operator.send, wechat)
    link = people[0].post("/v1/distributor/links", {"channel": "picture"}).ok()
    path = f"/v1/links/{link['token']}/code"
    other = people[0].post("/v1/distributor/links", {"channel": "another"}).ok()
    wechat.fault("/wxa/getwxacodeunlimit", "error")
    anybody.get("/v1/links/lnobodymadethisone/code").refused(404, "not_found")
    anybody.get(path).refused(503, "unavailable")  # so nobody had asked WeChat before
    picture = anybody.get(path, Accept="image/avif,image/webp")
    assert (picture.status, picture.headers["content-type"]) == (200, "image/png")
    assert picture.body.startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.headers["cache-control"] == "public, max-age=86400"
    wechat.fault("/wxa/getwxacodeunlimit", "error")
    assert anybody.get(path).body == picture.body
    same = anybody.get(path, If_None_Match=picture.headers["etag"])
    assert (same.status, same.body) == (304, b"")
    anybody.get(f"/v1/links/{other['token']}/code").refused(503, "unavailable")
