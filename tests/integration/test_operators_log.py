"""What the operators' log tells of a call: the price that was set whatever it is filled up with, what a file has
changed; and what it never keeps: passwords, and what is told about a person."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest

from chalicelib.core import clock
from chalicelib.mall.operators import service
from chalicelib.mall.operators.audit.rules import is_about_persons
from chalicelib.mall.operators.tables import AuditEntries
from chalicelib.platform.store import read
from chalicelib.platform.web import tokens
from chalicelib.platform.web.endpoint import ENDPOINTS, OPERATOR, Endpoint
from local.client import Client, Operator, coupon_template, in_process

#: Fields that hold a password or a code to log in with.
SECRETS = frozenset({"password", "new_password", "totp", "recovery_code"})
MARK = "张三 13756168064 石阡县人民路 7 号"


@pytest.fixture
def merchandiser(operator: Operator) -> Iterator[Operator]:
    """Somebody whose entries are this test's alone."""
    name = f"m-{secrets.token_hex(6)}"
    service.create(name, "long enough for anyone", ["merchandiser"])
    yield Operator(operator.send, tokens.issue("operator", name, clock.now() + timedelta(days=36500)))


def entries(asked: Client) -> list[AuditEntries]:
    """The entries of today and yesterday (the test may run over midnight) of who has this token, the latest first."""
    name = tokens.read("operator", f"Bearer {asked.token}").subject
    days = [clock.day(clock.now()) - timedelta(days=back) for back in (0, 1)]
    items = [item for day in days for item in read.query_all(AuditEntries, day.isoformat(), consistent=True)]
    return sorted((one for one in items if one.entry.operator == name), key=lambda one: one.entry.at, reverse=True)


def test_two_thousand_characters_hide_no_price(operator: Operator, merchandiser: Operator) -> None:
    made = operator.product(price_fen=99_900, stock=1)
    path = f"/v1/admin/products/{made['product_id']}"
    sku = {name: made["skus"][0][name] for name in ("sku_code", "specs")}
    merchandiser.call("PATCH", path, {"detail": "x" * 2100, "skus": [sku | {"price_fen": 1}]}).ok()
    (item,) = entries(merchandiser)
    assert json.loads(item.entry.body)["skus"] == [sku | {"price_fen": 1}]
    assert item.status == 200


def test_among_many_prices_the_one_that_fell_is_told_first(operator: Operator, merchandiser: Operator) -> None:
    code = f"T{secrets.token_hex(4)}"
    sizes = [f"s{number}" for number in range(40)]
    body = json.loads(product(code, **dict.fromkeys(sizes, 5000)))
    made = merchandiser.post("/v1/admin/products", body).ok(201)
    skus = [sku | {"price_fen": 1 if sku["sku_code"] == f"{code}-s23" else 5001} for sku in body["skus"]]
    path = f"/v1/admin/products/{made['product_id']}"
    merchandiser.call("PATCH", path, {"skus": skus}).ok()
    merchandiser.call("PATCH", path, {"name": "盘"}).ok()
    renamed, changed, created = entries(merchandiser)
    assert json.loads(changed.outcome)["prices"][0] == [f"{code}-s23", 5000, 1]
    assert json.loads(created.outcome)["prices"][0] == [f"{code}-s0", None, 5000]
    assert not renamed.outcome


def product(code: str, **prices: int) -> bytes:
    skus = [
        {"sku_code": f"{code}-{name}", "specs": {"size": name}, "price_fen": fen, "stock": 1}
        for name, fen in prices.items()
    ]
    line = {"product_code": code, "name": "碗", "skus": skus, "specs": [{"name": "size", "values": list(prices)}]}
    return json.dumps(line).encode() + b"\n"


def test_of_a_file_the_log_tells_which_prices_it_has_changed(merchandiser: Operator) -> None:
    code = f"T{secrets.token_hex(4)}"
    path = "/v1/admin/catalogue/import?format=jsonl"
    merchandiser.call("POST", path, product(code, small=5000, large=9000)).ok()
    sent = product(code, small=5500, large=1) + b"{\n"
    merchandiser.call("POST", path, sent).ok()
    last, first = entries(merchandiser)
    assert json.loads(last.entry.body) == {
        "file": {"bytes": len(sent), "sha256": hashlib.sha256(sent).hexdigest(), "lines": 2}
    }
    assert json.loads(last.outcome) == {
        "created": 0, "changed": 1, "unchanged": 0, "failed": 1,
        "prices": [[f"{code}-large", 9000, 1], [f"{code}-small", 5000, 5500]], "codes": [],
    }  # fmt: skip
    assert json.loads(first.outcome)["prices"] == [[f"{code}-small", None, 5000], [f"{code}-large", None, 9000]]


def test_a_price_that_fell_stands_before_hundreds_that_rose(merchandiser: Operator) -> None:
    codes = [f"T{secrets.token_hex(4)}" for _ in range(120)]
    path = "/v1/admin/catalogue/import?format=jsonl"
    merchandiser.call("POST", path, b"".join(product(code, one=5000) for code in codes)).ok()
    raised = [product(code, one=1 if code == codes[77] else 5001) for code in codes]
    merchandiser.call("POST", path, b"".join(raised)).ok()
    outcome = json.loads(entries(merchandiser)[0].outcome)
    assert outcome["prices"][0] == [f"{codes[77]}-one", 5000, 1]
    assert outcome["changed"] == 120 == len(outcome["prices"]) + outcome["left_out"]


def test_categories_of_a_file_are_told_by_their_codes(merchandiser: Operator) -> None:
    code = f"C{secrets.token_hex(4)}"
    merchandiser.call(
        "POST", "/v1/admin/categories/import?format=csv", f"category_code,name\n{code},碗\n".encode()
    ).ok()
    (item,) = entries(merchandiser)
    assert json.loads(item.outcome)["codes"] == [code]


def test_a_batch_of_codes_is_told_by_its_number_and_size(operator: Operator, merchandiser: Operator) -> None:
    template = operator.post("/v1/admin/coupon-templates", coupon_template(how=["code"])).ok(201)
    path = f"/v1/admin/coupon-templates/{template['template_id']}/codes"
    made = merchandiser.post(path, {"count": 3}).ok(201)
    (item,) = entries(merchandiser)
    assert json.loads(item.outcome) == {"batch_id": made["batch_id"], "count": 3}
    assert not [code for code in made["codes"] if code in item.outcome + item.entry.body]


def test_no_password_is_kept_in_whatever_field_it_came(operator: Operator, merchandiser: Operator) -> None:
    typed = "AUDITPW in another field"
    for body in (
        {"x": typed},
        {"pasword": typed, "new_password": typed},
        {"password": typed, "new_password": 5},
        typed,
    ):
        merchandiser.put("/v1/admin/me/password", body).refused(400, "malformed")
    merchandiser.call("PATCH", "/v1/admin/products/p1", {"pass": typed, "x": {"y": [typed]}}).refused(400, "malformed")
    kept = [item.entry.body + (item.outcome or "") for item in entries(merchandiser)]
    assert len(kept) == 5
    assert not [text for text in kept if "AUDITPW" in text]


def test_who_was_appointed_and_changed_is_told_without_the_password(operator: Operator) -> None:
    boss = f"b-{secrets.token_hex(6)}"
    service.create(boss, "long enough for anyone", ["owner"])
    owner = Client(in_process(), tokens.issue("operator", boss, clock.now() + timedelta(days=36500)))
    name = f"a-{secrets.token_hex(6)}"
    owner.post("/v1/admin/operators", {"name": name, "password": "AUDITPW-long", "roles": ["auditor"]}).ok(201)
    owner.post("/v1/admin/operators", {"name": "AUDITPW-long", "roles": ["auditor"]}).refused(400, "malformed")
    owner.call("PATCH", f"/v1/admin/operators/{name}", {"password": "AUDITPW-longer", "disabled": True}).ok()
    changed, refused, appointed = entries(owner)
    assert json.loads(appointed.outcome) == {"name": name, "roles": ["auditor"]}
    assert changed.entry.parameters == {"name": name}
    assert json.loads(changed.outcome) == {
        "roles": ["auditor"],
        "disabled": True,
        "password_changed": True,
        "totp_dropped": False,
    }
    assert [item.entry.body for item in (changed, refused, appointed)] == ["", "", ""]


def struct_of(endpoint: Endpoint) -> type[msgspec.Struct] | None:
    kinds = [kind for kind in (endpoint.body, *getattr(endpoint.body, "__args__", ())) if isinstance(kind, type)]
    return next((kind for kind in kinds if issubclass(kind, msgspec.Struct)), None)


def test_whatever_takes_a_password_is_declared_a_secret(operator: Operator) -> None:
    takes = [each for each in ENDPOINTS if each.body_fields & SECRETS]
    assert len(takes) >= 4
    assert [f"{each.method} {each.path}" for each in takes if not each.secret] == []


def test_what_is_told_about_a_person_is_in_no_entry(operator: Operator) -> None:
    boss = f"b-{secrets.token_hex(6)}"
    service.create(boss, "long enough for anyone", ["owner"])
    owner = Client(in_process(), tokens.issue("operator", boss, clock.now() + timedelta(days=36500)))
    asked = 0
    for endpoint in [each for each in ENDPOINTS if each.audience is OPERATOR and each.body is not None]:
        told = {"reason", "note", "remark", "tracking_no"} & endpoint.body_fields
        fields = endpoint.body_fields if is_about_persons(endpoint.permission) else told
        if not fields:
            continue
        path = endpoint.path
        while "{" in path:
            path = path.replace(path[path.index("{") : path.index("}") + 1], "x1")
        for body in (dict.fromkeys(fields, MARK), {"lines": [dict.fromkeys(fields, MARK)]}, {"reazon": MARK}):
            owner.call(endpoint.method, path, body, key="k")
            asked += 1
    kept = [msgspec.json.encode(item.entry).decode() + (item.outcome or "") for item in entries(owner)]
    assert len(kept) == asked >= 20
    assert not [text for text in kept if any(mark in text for mark in MARK.split()[:3])]


def test_the_log_shows_what_a_call_says_of_its_end(operator: Operator, merchandiser: Operator) -> None:
    merchandiser.call(
        "POST", "/v1/admin/catalogue/import?format=jsonl", product(f"T{secrets.token_hex(4)}", one=5)
    ).ok()
    (item,) = entries(merchandiser)
    day = clock.day(item.entry.at).isoformat()
    shown = operator.items(f"/v1/admin/audit?day={day}&operator={item.entry.operator}")
    assert [(one["body"], one["outcome"]) for one in shown] == [(item.entry.body, item.outcome)]
