"""Operators and templates: what is refused, what a change reaches, what became of the coupons."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.coupons import rules
from chalicelib.commerce.coupons.centre import service as centre
from chalicelib.commerce.coupons.inputs import TemplateChangeInput
from chalicelib.commerce.coupons.rules import Held
from chalicelib.commerce.coupons.stock import queries as stock_queries
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.coupons.templates import service as templates
from chalicelib.commerce.coupons.usage import service as usage
from chalicelib.commerce.orders.jobs import COUPON_RETURNED, COUPON_USED
from chalicelib.mall.operators.access import passwords
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.declarations import Event
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.tables import Task
from chalicelib.platform.store.transaction import Transaction
from local.client import Client, in_process
from local.client import coupon_template as body
from tests.support.coupons import at_once, coupons_of, crowd, figures, fresh, member, template, told
from tests.support.operators import owner_token

PATH = "/v1/admin/coupon-templates"


@pytest.fixture(autouse=True)
def nothing_remembered(dynamodb: str) -> None:
    fresh()


@pytest.fixture(scope="module")
def operator(dynamodb: str) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_COST", 16)
        yield Client(in_process(), owner_token())


def changed(template_id: str, **more: Any) -> rules.Template:
    return templates.change(template_id, msgspec.convert(body(**more), TemplateChangeInput))


def test_a_template_as_it_was_asked_for(operator: Client) -> None:
    asked = body(audience={"segments": ["new"]}, stacking="extra", valid={"until": "2099-01-01T08:00:00.0009+08:00"})
    made = operator.post(PATH, asked).ok(201)
    assert made == {
        "template_id": made["template_id"], "name": "五元券", "state": "published", "kind": "amount_off",
        "amount_fen": 500, "threshold_fen": 2000, "scope": {}, "stacking": "extra", "total": 10,
        "limit_per_member": 1, "valid": {"until": "2099-01-01T00:00:00Z"}, "how": ["claim"],
        "audience": {"segments": ["new"]}, "returns": True, "created_at": made["created_at"],
        "figures": {"issued": 0, "left": 10, "used": 0, "off_fen": 0, "paid_fen": 0}, "agreed": [],
        "waits_for_second": False,
    }  # fmt: skip
    assert operator.get(f"{PATH}/{made['template_id']}").ok() == made
    assert made in operator.items(PATH)


@pytest.mark.parametrize(
    ("more", "status", "field"),
    [
        ({"percent_off": 100, "kind": "percent_off", "amount_fen": None}, 422, "percent_off"),
        ({"valid": {"from": "2099-01-01T00:00:00Z", "until": "2098-01-01T00:00:00Z"}}, 422, "valid.until"),
        ({"valid": {"until": "2020-01-01T00:00:00Z"}}, 422, "valid.until"),
        ({"scope": {"categories": ["c404"]}}, 422, "scope.categories[0]"),
        ({"scope": {"products": ["p404"]}}, 422, "scope.products[0]"),
        ({"scope": {"excluded_products": ["p404"]}}, 422, "scope.excluded_products[0]"),
        ({"total": 0}, 400, "total"),
        ({"how": []}, 400, "how"),
        ({"how": ["gift"]}, 400, "how[0]"),
        ({"kind": "free"}, 400, "kind"),
        ({"extra": 1}, 400, "extra"),
        ({"valid": {"days": 0}}, 400, "valid.days"),
    ],
)
def test_what_is_refused_is_named(operator: Client, more: dict[str, Any], status: int, field: str) -> None:
    problem = operator.post(PATH, body(**more)).refused(status, "invalid" if status == 422 else "malformed")
    assert [error["field"] for error in problem["errors"]] == [field]


def test_a_template_s_fields_are_named_for_people(operator: Client) -> None:
    asked = body(kind="free_shipping", stacking="extra", valid={"days": 0})
    assert operator.post(PATH, asked).refused(400, "malformed")["detail"] == "有效天数不能小于 1"
    problem = operator.post(PATH, asked | {"valid": {"from": "2098-01-01T00:00:00Z"}}).refused(422, "invalid")
    assert problem["detail"].split("；") == [
        "包邮券不能填写金额（分）",
        "包邮券本来就可与其他优惠券同用，不必设为可叠加",
        "填写了生效时间，就要填写失效时间",
    ]
    assert problem["errors"][0]["kind"] == "free_shipping"


def test_a_total_does_not_fall_below_what_was_issued(operator: Client) -> None:
    made = template(total=5)
    for _ in range(3):
        centre.claim(member(), made.template_id)
    problem = operator.put(f"{PATH}/{made.template_id}", body(total=2)).refused(422, "invalid")
    assert (problem["detail"], problem["errors"][0]["issued"]) == ("发放总量不能少于已发放的 3 张", 3)


def test_a_scope_of_what_there_is(operator: Client) -> None:
    category = operator.post("/v1/admin/categories", {"name": f"类 {secrets.token_hex(3)}"}).ok(201)["category_id"]
    skus = [{"sku_code": f"c{secrets.token_hex(4)}", "specs": {"规格": "标准"}, "price_fen": 1000, "stock": 1}]
    product = operator.post("/v1/admin/products", {"name": "品", "skus": skus, "publish": True}).ok(201)["product_id"]
    scope = {"categories": [category], "products": [product], "excluded_products": [product]}
    assert operator.post(PATH, body(scope=scope)).ok(201)["scope"] == scope


def test_drafts_are_published_and_paused(operator: Client) -> None:
    made = operator.post(PATH, body(publish=False)).ok(201)
    path, somebody = f"{PATH}/{made['template_id']}", member()
    assert made["state"] == "draft"
    assert operator.post(f"{path}/pause").ok()["state"] == "draft"
    assert told(lambda: centre.claim(somebody, made["template_id"])) == "not_found"
    for _ in range(2):
        assert operator.post(f"{path}/publish").ok()["state"] == "published"
    assert isinstance(told(lambda: centre.claim(somebody, made["template_id"])), Held)
    for _ in range(2):
        assert operator.post(f"{path}/pause").ok()["state"] == "paused"
    assert told(lambda: centre.claim(member(), made["template_id"])) == "not_found"
    operator.post(f"{PATH}/t404/publish").refused(404, "not_found")


def test_a_change_does_not_reach_what_is_held(operator: Client) -> None:
    made, somebody = template(limit_per_member=2), member()
    before = centre.claim(somebody, made.template_id).coupon
    asked = body(
        name="八折券", kind="percent_off", amount_fen=None, percent_off=20, threshold_fen=0, valid={"days": 1},
        limit_per_member=2, returns=False,
    )  # fmt: skip
    assert operator.put(f"{PATH}/{made.template_id}", asked).ok()["percent_off"] == 20
    held = {each.coupon.coupon_id: each.coupon for each in coupons_of(somebody)}
    assert held == {before.coupon_id: before}
    after = centre.claim(somebody, made.template_id).coupon
    assert (after.name, after.terms.kind, after.terms.returns) == ("八折券", "percent_off", False)
    assert operator.put(f"{PATH}/{made.template_id}", {**asked, "publish": True}).refused(400, "malformed")


def test_the_total_may_grow_and_shrink_to_what_was_issued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PIECES_PER_SHARD", 5)
    made = template(total=8)
    people = crowd(12)
    assert sum(isinstance(told(lambda m=each: centre.claim(m, made.template_id)), Held) for each in people[:6]) == 6
    assert changed(made.template_id, total=30).shards == 6
    assert figures(made) == (6, 24)
    assert changed(made.template_id, total=6).shards == 6
    assert figures(made) == (6, 0)
    assert told(lambda: centre.claim(people[6], made.template_id)) == "sold_out"
    assert told(lambda: changed(made.template_id, total=5)) == "invalid"
    changed(made.template_id, total=8)
    answers = at_once(lambda m: centre.claim(m, made.template_id), people[6:])
    assert sum(isinstance(each, Held) for each in answers) == 2
    assert figures(made) == (8, 0)


def test_claims_while_the_total_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PIECES_PER_SHARD", 20)
    made = template(total=60)
    with ThreadPoolExecutor(1) as pool:
        claimed = pool.submit(at_once, lambda m: centre.claim(m, made.template_id), crowd(60), 6)
        for total in (40, 80, 45, 50):
            told(lambda total=total: changed(made.template_id, total=total))
        got = sum(isinstance(each, Held) for each in claimed.result())
    assert got <= 80
    assert figures(made)[0] == got


def tell(event: Event, made: rules.Template, order_id: str, paid_fen: int) -> None:
    tx = Transaction()
    payload = {"template_id": made.template_id, "discount_fen": "500", "paid_fen": str(paid_fen)}
    emit(tx, event, f"{order_id}|c1", **payload)
    tx.commit()


def test_figures_count_every_use_once_and_take_back_what_was_returned(operator: Client) -> None:
    made = template(total=600)
    for number in range(5):
        tell(COUPON_USED, made, f"o{number}", 1000 + number)
    worker.run_due()
    path = f"{PATH}/{made.template_id}"
    figures_told = {"issued": 0, "left": 600, "used": 5, "off_fen": 2500, "paid_fen": 5010}
    assert operator.get(path).ok()["figures"] == figures_told
    tell(COUPON_RETURNED, made, "o4", 1004)
    tell(COUPON_RETURNED, made, "o5", 1)
    worker.run_due()
    tell(COUPON_USED, made, "o5", 1)
    worker.run_due()
    assert operator.get(path).ok()["figures"] == figures_told | {"used": 4, "off_fen": 2000, "paid_fen": 4006}


def test_a_use_whose_end_is_not_written_is_not_counted() -> None:
    made = template()
    job = Job(shard="s0", due="never", task=_task(made.template_id), lease="w")
    with pytest.raises(Exception, match="LeaseLost"):
        usage.count_use(job)
    assert template_queries.figures([made])[0].used == 0


def _task(template_id: str) -> Any:
    return Task(COUPON_USED.name, "o1", {"template_id": template_id, "discount_fen": "1", "paid_fen": "1"})


def test_lists_are_paged_newest_first(operator: Client) -> None:
    made = [template().template_id for _ in range(3)]
    found = [each["template_id"] for each in operator.items(PATH, limit=2)]
    assert [each for each in found if each in made] == made[::-1]
    assert len(set(found)) == len(found)


def test_left_is_one_read_a_second(dynamodb: str) -> None:
    made = template(total=3)
    assert stock_queries.remaining([made]) == {made.template_id: 3}
    centre.claim(member(), made.template_id)
    assert stock_queries.remaining([made]) == {made.template_id: 3}
    fresh()
    assert stock_queries.remaining([made]) == {made.template_id: 2}
