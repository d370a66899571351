"""Texts of templates: what may stand in them, and what each medium makes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import MallError
from chalicelib.growth.messaging.carrying.rules import VERDICTS, verdict
from chalicelib.growth.messaging.rules import Form, Template
from chalicelib.growth.messaging.templates.rules import (
    LENGTHS,
    UNSUBSCRIBE,
    check_template,
    filled,
    form_of,
    rendered,
)

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def template(**changes: Any) -> Template:
    fields: dict[str, Any] = {
        "template_id": "mt1", "version": 1, "name": "x", "purpose": "service", "media": ["sms"],
        "text": "{product}到了", "vars": ["product"], "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return Template(**{**fields, **changes})


def refused(**changes: Any) -> str:
    with pytest.raises(MallError) as fault:
        check_template(template(**changes))
    return f"{fault.value.code}: {' '.join(error.reason.code for error in fault.value.errors)}"


def test_a_simple_one_is_enough() -> None:
    check_template(template())
    check_template(template(media=["subscribe", "oa"], text="{thing1}{time2}", vars=["thing1", "time2"]))
    check_template(template(purpose="marketing", text=f"{{product}}五折{UNSUBSCRIBE}"))


@pytest.mark.parametrize("medium", ["subscribe", "oa"])
def test_what_sells_goes_by_no_medium_that_may_not_carry_it(medium: str) -> None:
    assert refused(purpose="marketing", media=["sms", medium], text=UNSUBSCRIBE, vars=[]) == "medium_off: not_by_medium"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"vars": []}, "no_such_var"),
        ({"vars": ["product", "price"]}, "var_unused"),
        ({"text": "{product}{"}, "stray_brace"),
        ({"text": "{product}{}"}, "stray_brace"),
        ({"text": "{{product}}"}, "stray_brace"),
        ({"purpose": "marketing"}, "unsubscribe_missing"),
        ({"forms": {"oa": Form("t")}}, "form_of_no_medium"),
        ({"media": ["oa"], "forms": {"oa": Form("t", {"first": "{product}"})}}, "no_such_wechat_field"),
        ({"media": ["oa"], "forms": {"oa": Form("t", {"thing1": "二" * 21})}}, "wechat_field_too_long"),
        ({"media": ["oa"], "forms": {"oa": Form("t", {"thing1": "{nobody}"})}}, "no_such_var"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_wrong_is_named(changes: dict[str, Any], expected: str) -> None:
    assert refused(**changes) == f"invalid: {expected}"


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=30)))
def test_values_stand_where_their_names_do(values: dict[str, str]) -> None:
    assert rendered("<{a}|{b}>", values) == f"<{values.get('a', '')}|{values.get('b', '')}>"


@given(st.sampled_from(sorted(LENGTHS)), st.text(max_size=60))
def test_a_field_is_never_empty_and_never_too_long(kind: str, value: str) -> None:
    form = Form("t", {f"{kind}1": "{x}"})
    told = filled(form, "subscribe", {"x": value})[f"{kind}1"]
    assert 1 <= len(told) <= LENGTHS[kind]
    assert "\n" not in told
    assert kind != "character_string" or told.isascii()


def test_a_long_name_is_cut_where_people_see_it() -> None:
    told = filled(Form("t", {"thing1": "{x}", "phrase2": "{x}"}), "oa", {"x": "一" * 21})
    assert told == {"thing1": "一" * 19 + "…", "phrase2": "一" * 5}


def test_the_form_where_nothing_is_said() -> None:
    home = "pages/index/index"
    assert form_of(template(), "sms") == Form("mt1", {"product": "{product}"}, home)
    assert form_of(template(), "subscribe") == Form("mt1", {"thing1": "{product}到了"}, home)
    named = template(vars=["thing1", "amount2"], text="{thing1}{amount2}")
    assert form_of(named, "oa") == Form("mt1", {"thing1": "{thing1}", "amount2": "{amount2}"}, home)
    said = Form("SMS_1", {"1": "{product}"}, "pages/a")
    assert form_of(template(forms={"sms": said}), "sms") == said


def test_an_unknown_outcome_comes_before_every_code() -> None:
    assert {verdict(code, passing=True, outcome_unknown=True) for code in VERDICTS} == {"unknown"}
    assert verdict("43101", passing=False, outcome_unknown=False) == "spent"
    assert verdict("43107", passing=False, outcome_unknown=False) == "ours"
    assert verdict("http_503", passing=True, outcome_unknown=False) == "later"
    assert verdict("99999", passing=False, outcome_unknown=False) == "ours"


def test_a_parameter_of_an_sms_is_cut_to_what_its_vendors_take() -> None:
    told = filled(form_of(template(), "sms"), "sms", {"product": "茶" * 40})["product"]
    assert told == "茶" * 34 + "…" and len(told) == 35
