"""Freight templates and the products that name them: neither is without the other, also when two come at once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import app
from chalicelib.commerce.catalogue import rules
from chalicelib.commerce.catalogue.products import queries as product_queries
from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.products.queries import ProductAggregate
from chalicelib.commerce.catalogue.references import queries as references
from chalicelib.commerce.pricing import queries as pricing_queries
from chalicelib.commerce.pricing import service as pricing
from chalicelib.commerce.pricing.freight.rules import FreightRule, FreightTemplate
from chalicelib.core.errors import MallError
from local.client import Operator
from tests.integration.test_catalogue_products import fresh, make

__all__ = ["fresh"]
assert app.WINGS  # importing it registers the templates with the catalogue

BY_PIECE = FreightTemplate(name="按件", rules=[FreightRule(first_fen=800)])


def name() -> str:
    return f"t-{secrets.token_hex(5)}"


@pytest.fixture
def template(dynamodb: str) -> Iterator[str]:
    template_id = name()
    pricing.put(template_id, BY_PIECE)
    yield template_id
    for product in _using(template_id):
        products.change(product, {"freight_template_id": None})
    if template_id in pricing_queries.load_pricing().templates:
        pricing.delete(template_id)


def _using(template_id: str) -> list[str]:
    return [product.product_id for product in references.products_sent_by(template_id, 100)[1]]


def id_of(shelf: ProductAggregate) -> str:
    assert shelf.product is not None
    return shelf.product.product_id


def refused(code: str, does: Any, *given: Any) -> MallError:
    with pytest.raises(MallError) as refusal:
        does(*given)
    assert refusal.value.code == code
    return refusal.value


def test_a_product_that_names_a_template_which_is_not_there_is_refused_by_its_name(template: str) -> None:
    code = secrets.token_hex(5)
    error = refused("invalid", lambda: make(product_code=code, freight_template_id="no-such"))
    [fault] = error.errors
    assert fault.field == "freight_template_id"
    assert "no-such" in fault.text("zh", {}) and "no-such" in fault.text("en", {})
    assert product_queries.load(rules.product_id(code)).product is None
    made = id_of(make(freight_template_id=template))
    refused("invalid", products.change, made, {"freight_template_id": "no-such", "name": "盘"})
    product = product_queries.existing(made).product
    assert product is not None
    assert (product.freight_template_id, product.name) == (template, "碗")


def test_a_template_is_deleted_when_no_product_names_it_any_more(template: str) -> None:
    made = [id_of(make(name=f"碗{n}", freight_template_id=template, publish=n > 3)) for n in range(7)]
    products.change(made[0], {"publish": True})
    error = refused("freight_template_in_use", pricing.delete, template)
    [fault] = error.errors
    assert fault.params["count"] == 7
    assert [text.partition(" ")[0] for text in fault.params["products"]] == ["碗6", "碗5", "碗4", "碗3", "碗2"]
    assert "7 件商品" in fault.text("zh", {}) and "碗6" in fault.text("zh", {})
    pricing.put(template, FreightTemplate(name="另一个", rules=[FreightRule(first_fen=900)]))
    refused("freight_template_in_use", pricing.delete, template)
    for product_id in made[:3]:
        products.change(product_id, {"freight_template_id": None})
    other = name()
    pricing.put(other, BY_PIECE)
    for product_id in made[3:]:
        products.change(product_id, {"freight_template_id": other})
    pricing.delete(template)
    assert template not in pricing_queries.load_pricing().templates
    refused("freight_template_in_use", pricing.delete, other)
    refused("not_found", pricing.delete, template)


def test_a_template_that_was_replaced_while_products_took_it_up_loses_none_of_them(template: str) -> None:
    """What a template says is written beside how often it was taken up."""

    def replace(number: int) -> None:
        pricing.put(template, FreightTemplate(name=f"第{number}版", rules=[FreightRule(first_fen=number)]))

    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(make, freight_template_id=template) for _ in range(6)]
        replaced = [pool.submit(replace, number) for number in range(2)]
        for one in (*made, *replaced):
            one.result()
    assert refused("freight_template_in_use", pricing.delete, template).errors[0].params["count"] == 6


@pytest.mark.parametrize("way", ["created", "changed"])
def test_of_a_product_and_a_deletion_at_once_exactly_one_wins(way: str) -> None:
    outcomes = set()
    for _ in range(12):
        template_id = name()
        pricing.put(template_id, BY_PIECE)
        before = id_of(make()) if way == "changed" else ""

        def take_up(template_id: str = template_id, before: str = before) -> str:
            fields = {"freight_template_id": template_id}
            return id_of(products.change(before, fields) if before else make(**fields))

        with ThreadPoolExecutor(2) as pool:
            product, deletion = pool.submit(take_up), pool.submit(pricing.delete, template_id)
        faults = [one.exception() for one in (product, deletion)]
        codes = [fault.code if isinstance(fault, MallError) else fault for fault in faults]
        assert codes in (["invalid", None], [None, "freight_template_in_use"])
        there = template_id in pricing_queries.load_pricing().templates
        assert there == (codes[0] is None)
        assert _using(template_id) == ([product.result()] if there else [])
        outcomes.add(there)
    assert outcomes  # which of the two is for the race to say


def test_operators_are_told_over_http(operator: Operator, template: str) -> None:
    body = {"name": "碗", "skus": [{"sku_code": "A", "price_fen": 5}], "freight_template_id": "no-such"}
    problem = operator.post("/v1/admin/products", body).refused(422, "invalid")
    assert problem["detail"] == "没有运费模板“no-such”，请先建立它"
    operator.post("/v1/admin/products", body | {"freight_template_id": template}).ok(201)
    problem = operator.delete(f"/v1/admin/freight-templates/{template}").refused(409, "freight_template_in_use")
    assert problem["errors"][0]["count"] == 1
    assert problem["errors"][0]["products"][0].startswith("碗 (")
