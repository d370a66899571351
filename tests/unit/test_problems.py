"""Refusals: which field they name, and what they say in which language."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Annotated, Any, Literal, get_args

import msgspec
import pytest
from msgspec import Meta

from chalicelib.commerce.coupons.rules import Unusable
from chalicelib.commerce.pricing.refusals import UNUSABLE
from chalicelib.core.errors import CODES, MallError, malformed
from chalicelib.core.refusals import KINDS, REQUIRED, WRONG_KIND
from chalicelib.platform.web import edge, problems


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    quantity: Annotated[int, Meta(ge=1, le=999)]
    kind: str = ""


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    lines: list[Inner] = []
    specs: dict[Annotated[str, Meta(max_length=3)], str] = {}
    name: Annotated[str, Meta(min_length=1, max_length=4, pattern="^[a-z]+$")] = "a"
    word: Annotated[str, Meta(min_length=2)] = "ab"
    share: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    pair: Annotated[list[int], Meta(min_length=2, max_length=3)] | None = None
    kind: Literal["a", "b"] = "a"
    at: Annotated[datetime, Meta(tz=True)] | None = None
    day: date | None = None
    on: bool = False


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": 1}, "name"),
        ({"name": ""}, "name"),
        ({"name": "abcde"}, "name"),
        ({"name": "A"}, "name"),
        ({"strange": 1}, "strange"),
        ({"lines": 1}, "lines"),
        ({"lines": [{}]}, "lines[0].quantity"),
        ({"lines": [{"quantity": 1}, {"quantity": 0}]}, "lines[1].quantity"),
        ({"lines": [{"quantity": 1, "x": 1}]}, "lines[0].x"),
        ({"specs": {"k": 1}}, "specs[]"),
        ({"specs": {"long": "x"}}, "specs"),
        ([], "body"),
        (None, "body"),
    ],
)
def test_the_field_is_named_as_the_client_wrote_it(body: Any, field: str) -> None:
    with pytest.raises(MallError) as refusal:
        edge.decode(json.dumps(body).encode(), Outer)
    assert refusal.value.code == "malformed"
    assert refusal.value.errors[0].field == field


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"name":"\xff"}', b"[" * 100_000, b"nul"])
def test_what_is_not_json_is_the_body_s_fault(body: bytes) -> None:
    with pytest.raises(MallError) as refusal:
        edge.decode(body, Outer)
    assert (refusal.value.code, refusal.value.errors[0].field) == ("malformed", "body")


LABELS = {"quantity": "数量", "name": ("名称", "name"), "address.phone": "手机号"}


def rendered(error: MallError, language: str) -> Any:
    return json.loads(problems.render(error, language, "r1", LABELS))


def test_a_problem_in_both_languages() -> None:
    error = malformed(WRONG_KIND.at("lines[0].quantity", kind=KINDS["int"]))
    zh, en = rendered(error, "zh"), rendered(error, "en")
    assert zh["detail"] == zh["errors"][0]["message"] == "数量（第 1 项）应为整数"
    assert en["detail"] == en["errors"][0]["message"] == "Quantity (item 1) must be an integer"
    for told in (zh["errors"][0], en["errors"][0]):
        assert {key: told[key] for key in ("field", "code", "kind")} == {
            "field": "lines[0].quantity", "code": "wrong_kind", "kind": "integer",
        }  # fmt: skip
    assert {key: en[key] for key in ("type", "status", "code", "request_id")} == {
        "type": "/docs#error-malformed", "status": 400, "code": "malformed", "request_id": "r1",
    }  # fmt: skip


def test_without_a_field_the_code_s_own_text_is_told() -> None:
    assert rendered(MallError("claim_limit", limit=2), "zh")["detail"] == "每人限领 2 张"
    assert rendered(MallError("claim_limit", limit=2), "en")["detail"] == "At most 2 of these per member"


def test_the_first_errors_are_told_in_one_text_and_all_of_them_are_listed() -> None:
    error = malformed(*(REQUIRED.at(name) for name in ("a", "name", "address.phone", "b", "c")))
    assert rendered(error, "zh")["detail"] == "缺少a；缺少名称；缺少手机号"
    assert rendered(error, "en")["detail"] == "A is missing; Name is missing; Phone is missing"
    assert len(rendered(error, "en")["errors"]) == 5


#: Each form in which msgspec says what is wrong, and what the mall says of it.
@pytest.mark.parametrize(
    ("body", "code", "zh"),
    [
        ({"lines": [{}]}, "required", "缺少quantity（第 1 项）"),
        ({"strange": 1}, "unknown_field", "不认识的字段：strange"),
        ({"name": ""}, "empty", "name不能为空"),
        ({"name": "abcde"}, "too_long", "name最多 4 个字符"),
        ({"name": "A"}, "wrong_format", "name格式不正确"),
        ({"name": 1}, "wrong_kind", "name应为文本"),
        ({"word": "a"}, "too_short", "word至少 2 个字符"),
        ({"lines": [{"quantity": 0}]}, "at_least", "quantity（第 1 项）不能小于 1"),
        ({"lines": [{"quantity": 1000}]}, "at_most", "quantity（第 1 项）不能大于 999"),
        ({"lines": [{"quantity": "1"}]}, "wrong_kind", "quantity（第 1 项）应为整数"),
        ({"share": 0.0}, "above", "share应大于 0.0"),
        ({"share": 1.0}, "below", "share应小于 1.0"),
        ({"share": "x"}, "wrong_kind", "share应为数字"),
        ({"pair": [1]}, "too_few", "pair至少 2 项"),
        ({"pair": [1, 2, 3, 4]}, "too_many", "pair最多 3 项"),
        ({"pair": {}}, "wrong_kind", "pair应为列表"),
        ({"kind": "x"}, "not_a_choice", "kind不是可选的值"),
        ({"at": "2026-11-29T08:00:00"}, "no_time_zone", "at要带时区，如 +08:00"),
        ({"at": "soon"}, "not_a_time", "at不是有效的时间"),
        ({"day": "2026-02-30"}, "not_a_day", "day不是有效的日期，如 2026-11-29"),
        ({"on": 1}, "wrong_kind", "on应为是或否（true 或 false）"),
        ([], "wrong_kind", "body应为对象"),
        (None, "wrong_kind", "body应为对象"),
    ],
)
def test_a_library_s_words_reach_nobody(body: Any, code: str, zh: str) -> None:
    with pytest.raises(MallError) as refusal:
        edge.decode(json.dumps(body).encode(), Outer)
    (error,) = refusal.value.errors
    assert (error.reason.code, error.text("zh", {})) == (code, zh)


def test_why_a_coupon_cannot_be_used_is_a_stable_word_beside_what_people_read() -> None:
    assert set(UNUSABLE) == set(get_args(Unusable))
    for why, reason in UNUSABLE.items():
        error = MallError("coupon_unusable", why=why, errors=(reason.at("coupon_ids[0]"),))
        document = rendered(error, "zh")
        assert document["why"] == document["errors"][0]["code"] == why
        assert why not in document["detail"]
        assert document["detail"] == document["errors"][0]["message"]


def test_the_data_of_a_refusal_is_told_but_cannot_pass_for_its_fields() -> None:
    error = MallError("order_state", state="closed", status="forged")
    document = rendered(error, "zh")
    assert (document["state"], document["status"]) == ("closed", 409)


def test_every_code_has_a_status_and_both_texts() -> None:
    for code, meaning in CODES.items():
        assert code == code.lower()
        assert 400 <= meaning.status <= 503
        assert meaning.zh and meaning.en, code
