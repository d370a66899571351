"""What a merchant writes of a product becomes one: what is said changes, what is not said stays, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.commerce.catalogue import rules
from chalicelib.commerce.catalogue.products.inputs import ProductChangeInput, SkuInput, SpecInput
from chalicelib.commerce.catalogue.products.rules import (
    Composed,
    begin,
    check,
    check_version,
    compose,
    said,
    specs_of,
)
from chalicelib.commerce.catalogue.refusals import (
    NOT_A_SPEC_VALUE,
    SAME_SPEC_NAME,
    SAME_SPEC_VALUE,
    SAME_SPECS,
    SPECS_INCOMPLETE,
)
from chalicelib.commerce.catalogue.rules import SPECS_MAX, Detail, Product, Sku, Spec
from chalicelib.core.errors import FieldError, MallError
from chalicelib.core.refusals import NAMED_TWICE, TOO_MANY

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
CODES = "ABCDE"


def sku_id(code: str) -> str:
    return rules.sku_id("p1", code)


def _as_code(code: str) -> dict[str, Any]:
    return {"specs": {"色": code}}


def stored(code: str, **fields: Any) -> Sku:
    return Sku(sku_id=sku_id(code), sku_code=code, **(_as_code(code) | {"price_fen": 100} | fields))


def asked(code: str, **fields: Any) -> SkuInput:
    return SkuInput(sku_code=code, **(_as_code(code) | {"price_fen": 200} | fields))


def product(*skus: Sku, **fields: Any) -> Product:
    begun = begin("p1", "P1", NOW)
    return msgspec.structs.replace(begun, **({"name": "碗", "skus": list(skus), "specs": specs_of(skus)} | fields))


def test_a_product_begins_with_nothing_but_its_code() -> None:
    expected = Product(product_id="p1", product_code="P1", name="", skus=[], created_at=NOW, updated_at=NOW)
    assert begin("p1", "P1", NOW) == expected


@settings(max_examples=50)
@given(
    st.dictionaries(st.sampled_from(CODES), st.integers(0, 9), max_size=4),
    st.dictionaries(
        st.sampled_from(CODES),
        st.fixed_dictionaries({}, optional={"stock": st.integers(0, 9), "weight_g": st.integers(0, 2)}),
        min_size=1,
    ),
)
def test_skus_are_found_by_their_codes_new_ones_supplied_once_and_those_not_named_go(
    weights: dict[str, int], written: dict[str, dict[str, int]]
) -> None:
    before = product(*(stored(code, weight_g=weight, picture_url="https://a") for code, weight in weights.items()))
    composed = compose(before, Detail(), {"skus": [asked(code, **fields) for code, fields in written.items()]}, LATER)
    expected = [
        stored(
            code,
            price_fen=200,
            weight_g=fields.get("weight_g", weights.get(code, 0)),
            picture_url="https://a" if code in weights else "",
        )
        for code, fields in written.items()
    ]
    assert composed == Composed(
        product=msgspec.structs.replace(before, skus=expected, specs=[Spec("色", [*written])], updated_at=LATER),
        detail=Detail(),
        supplies={sku_id(code): fields.get("stock", 0) for code, fields in written.items() if code not in weights},
        removed=[sku for sku in before.skus if sku.sku_code not in written],
    )


CHANGES: dict[str, Any] = {
    "name": "盘", "category_id": "c1", "brief": "好", "keywords": ["a"], "unit": "个", "brand": "b", "sort": 3,
    "picture_url": "https://a", "role": "hit", "values": ["added"], "freight_template_id": "t", "commission_bp": 5,
    "limit_per_member": 3, "limit_per_order": 2,
}  # fmt: skip


@settings(max_examples=50)
@given(st.sets(st.sampled_from([*CHANGES, "publish", "gallery", "detail", "version"])))
def test_only_what_is_said_changes_and_a_product_that_stays_the_same_keeps_its_time(names: set[str]) -> None:
    every = CHANGES | {"publish": True, "gallery": ["https://g"], "detail": "长", "version": 7}
    changes = said(ProductChangeInput(**{name: every[name] for name in names}))
    assert changes == {name: every[name] for name in names}
    before, detail = product(stored("A")), Detail(gallery=["https://old"], detail="旧")
    composed = compose(before, detail, changes, LATER)
    fields = {name: value for name, value in changes.items() if name in CHANGES}
    if "publish" in names:
        fields["published"] = True
    when = LATER if fields else NOW
    assert composed.product == msgspec.structs.replace(before, **fields, updated_at=when)
    assert composed.detail == Detail(
        gallery=every["gallery"] if "gallery" in names else detail.gallery,
        detail=every["detail"] if "detail" in names else detail.detail,
    )
    assert (composed.supplies, composed.removed) == ({}, [])
    assert compose(composed.product, composed.detail, changes, LATER + timedelta(1)).product == composed.product


def test_a_product_is_taken_off_sale_again() -> None:
    off = compose(product(stored("A"), published=True), Detail(), {"publish": False}, LATER).product
    assert (off.published, off.updated_at) == (False, LATER)


def test_specs_are_those_that_are_said_and_else_follow_from_the_skus_that_are() -> None:
    before = product(stored("A"), specs=[Spec("色", ["A", "Z"])])
    wider = [SpecInput("色", ["B", "A"])]
    skus = [asked("A"), asked("B")]

    def specs(**changes: Any) -> list[Spec]:
        return compose(before, Detail(), changes, LATER).product.specs

    assert specs(brief="x") == [Spec("色", ["A", "Z"])]
    assert specs(specs=wider) == [Spec("色", ["B", "A"])]
    assert specs(skus=skus) == [Spec("色", ["A", "B"])]
    assert specs(skus=skus, specs=wider) == [Spec("色", ["B", "A"])]


@settings(max_examples=50)
@given(st.lists(st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12")), max_size=5))
def test_the_specs_of_skus_are_what_stands_in_them_in_the_order_it_appears(
    written: list[dict[str, str]],
) -> None:
    pairs = [(name, value) for specs in written for name, value in specs.items()]
    names = list(dict.fromkeys(name for name, _ in pairs))
    assert specs_of([stored(str(number), specs=specs) for number, specs in enumerate(written)]) == [
        Spec(name, list(dict.fromkeys(value for each, value in pairs if each == name))) for name in names
    ]


def test_a_sku_is_named_once() -> None:
    with pytest.raises(MallError) as refused:
        compose(product(), Detail(), {"skus": [asked("A"), asked("B"), asked("A", specs={"色": "C"})]}, NOW)
    assert (refused.value.code, refused.value.errors) == ("invalid", (NAMED_TWICE.at("skus[2].sku_code"),))


def skus_of(*specs: dict[str, str]) -> list[Sku]:
    return [stored(CODES[number], specs=each) for number, each in enumerate(specs)]


XY = [Spec("x", ["1", "2"]), Spec("y", ["1"])]


@pytest.mark.parametrize(
    ("specs", "skus", "fault"),
    [
        ([], [], None),
        ([], [{}], None),
        (XY, [], None),
        (XY, [{"x": "1", "y": "1"}, {"y": "1", "x": "2"}], None),
        ([Spec("x", ["1", "2"]), Spec("y", ["2", "1"])], [{"x": "1", "y": "2"}, {"x": "2", "y": "1"}], None),
        (XY, [{"x": "1", "y": "1"}, {"y": "1", "x": "1"}], SAME_SPECS.at("skus[1].specs")),
        ([], [{}, {}], SAME_SPECS.at("skus[1].specs")),
        (XY, [{"x": "1", "y": "1"}, {"x": "1"}], SPECS_INCOMPLETE.at("skus[1].specs", names=["x", "y"])),
        (XY, [{"x": "1", "y": "1", "z": "1"}], SPECS_INCOMPLETE.at("skus[0].specs", names=["x", "y"])),
        ([], [{"x": "1"}], SPECS_INCOMPLETE.at("skus[0].specs", names=[])),
        (XY, [{"x": "1", "y": "2"}], NOT_A_SPEC_VALUE.at("skus[0].specs", name="y", value="2")),
        (XY, [{"x": "1", "y": "1"}, {"x": "3", "y": "1"}], NOT_A_SPEC_VALUE.at("skus[1].specs", name="x", value="3")),
        ([*XY, Spec("x", ["3"])], [], SAME_SPEC_NAME.at("specs")),
        ([*XY, Spec("z", ["1", "2", "1"])], [], SAME_SPEC_VALUE.at("specs[2].values")),
        ([Spec(str(number), ["1"]) for number in range(SPECS_MAX)], [], None),
        ([Spec(str(number), ["1"]) for number in range(SPECS_MAX + 1)], [], TOO_MANY.at("specs", limit=SPECS_MAX)),
    ],
)  # fmt: skip
def test_every_sku_has_one_value_of_each_spec_and_no_two_the_same(
    specs: list[Spec], skus: list[dict[str, str]], fault: FieldError | None
) -> None:
    of = product(*skus_of(*skus), specs=specs)
    if fault is None:
        check(of)
    else:
        with pytest.raises(MallError) as refused:
            check(of)
        assert (refused.value.code, refused.value.errors) == ("invalid", (fault,))


@pytest.mark.parametrize(("expected", "conflicts"), [(None, False), (7, False), (6, True), (8, True), (0, True)])
def test_a_change_that_was_meant_for_another_version_is_refused(expected: int | None, conflicts: bool) -> None:
    if conflicts:
        with pytest.raises(MallError, match="conflict"):
            check_version(expected, 7)
    else:
        check_version(expected, 7)
