"""Refusals: which field they name, and what they say in which language."""

from __future__ import annotations

import json
from typing import Annotated, Any, get_args

import msgspec
import pytest
from msgspec import Meta

from chalicelib.commerce.coupons.rules import Unusable
from chalicelib.core.errors import CODES, FieldError, MallError
from chalicelib.platform.web import edge, problems


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    quantity: Annotated[int, Meta(ge=1, le=999)]
    kind: str = ""


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    lines: list[Inner] = []
    specs: dict[Annotated[str, Meta(max_length=3)], str] = {}
    name: Annotated[str, Meta(min_length=1, max_length=4, pattern="^[a-z]+$")] = "a"


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


def test_a_problem_in_both_languages() -> None:
    error = MallError("malformed", errors=(FieldError("name", "Expected `str`, got `int`"),))
    zh, en = (json.loads(problems.render(error, language, "r1")) for language in ("zh", "en"))
    assert zh["detail"] == CODES["malformed"].zh
    assert en["detail"] == CODES["malformed"].en
    assert zh["errors"] == [{"field": "name", "message": "类型应为 str，实际为 int"}]
    assert en["errors"] == [{"field": "name", "message": "Expected `str`, got `int`"}]
    assert {key: en[key] for key in ("type", "status", "code", "request_id")} == {
        "type": "/docs#error-malformed", "status": 400, "code": "malformed", "request_id": "r1",
    }  # fmt: skip


def test_why_a_coupon_cannot_be_used_is_a_stable_word_beside_what_people_read() -> None:
    for why in get_args(Unusable):
        error = MallError("coupon_unusable", why=why, errors=(FieldError("coupon_ids[0]", why),))
        document = json.loads(problems.render(error, "zh", "r1"))
        assert document["why"] == why
        assert why not in document["detail"] + document["errors"][0]["message"]


def test_the_data_of_a_refusal_is_told_but_cannot_pass_for_its_fields() -> None:
    error = MallError("order_state", state="closed", status="forged")
    document = json.loads(problems.render(error, "zh", "r1"))
    assert (document["state"], document["status"]) == ("closed", 409)


def test_every_code_has_a_status_and_both_texts() -> None:
    for code, meaning in CODES.items():
        assert code == code.lower()
        assert 400 <= meaning.status <= 503
        assert meaning.zh and meaning.en, code
