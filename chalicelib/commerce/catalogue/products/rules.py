"""What a merchant writes of a product, and how it becomes one: only what is said changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET

from chalicelib.commerce.catalogue.products.inputs import SkuInput
from chalicelib.commerce.catalogue.refusals import (
    NOT_A_SPEC_VALUE,
    SAME_SPEC_NAME,
    SAME_SPEC_VALUE,
    SAME_SPECS,
    SPECS_INCOMPLETE,
)
from chalicelib.commerce.catalogue.rules import SPECS_MAX, Detail, Product, Sku, Spec, sku_id, tidy, with_shown
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.refusals import EMPTY, NAMED_TWICE, TOO_MANY

#: Texts that are kept without blanks around them.
_NAMES = ("product_code", "name", "brief", "unit", "brand")


class Composed(msgspec.Struct, frozen=True):
    """A product as it is to be, with the first supply of its new SKUs by their ids, and the SKUs that go."""

    product: Product
    detail: Detail
    supplies: dict[str, int]
    removed: list[Sku]


def said(change: msgspec.Struct) -> dict[str, Any]:
    """Give the fields that the change names, with their values."""
    fields = {name: getattr(change, name) for name in change.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not UNSET}


def begin(product_id: str, product_code: str, now: datetime) -> Product:
    """Begin a product of which nothing but its code is known."""
    return Product(product_id=product_id, product_code=product_code, name="", skus=[], created_at=now, updated_at=now)


def compose(before: Product, detail: Detail, changes: Mapping[str, Any], now: datetime) -> Composed:
    """Apply the changes to `before`. When nothing differs, the product is the same to its `updated_at`; `created_at`
    counts for a new one only.

    Raises `invalid`, naming the field, when SKUs and specs do not fit together.
    """
    fields = {name: value for name, value in changes.items() if name in Product.__struct_fields__}
    fields |= {name: tidy(fields[name]) for name in _NAMES if name in fields}
    if fields.get("name") == "":
        raise invalid(EMPTY.at("name"))
    if before.skus:  # it is there already
        fields.pop("created_at", None)
    if "publish" in changes:
        fields["published"] = changes["publish"]
    supplies: dict[str, int] = {}
    if "skus" in changes:
        fields["skus"], supplies = _skus(before, changes["skus"])
        if "specs" not in changes:
            fields["specs"] = specs_of(fields["skus"])
    if "specs" in changes:
        fields["specs"] = [Spec(spec.name, list(spec.values)) for spec in changes["specs"]]
    product = with_shown(before, msgspec.structs.replace(before, **fields))
    check(product)
    if product != before:
        product = msgspec.structs.replace(product, updated_at=now)
    remaining = {sku.sku_id for sku in product.skus}
    return Composed(
        product=product,
        detail=msgspec.structs.replace(
            detail, **{name: changes[name] for name in ("gallery", "detail") if name in changes}
        ),
        supplies=supplies,
        removed=[sku for sku in before.skus if sku.sku_id not in remaining],
    )


def _skus(before: Product, asked: Sequence[SkuInput]) -> tuple[list[Sku], dict[str, int]]:
    known = {sku.sku_code: sku for sku in before.skus}
    skus: list[Sku] = []
    supplies: dict[str, int] = {}
    for index, one in enumerate(asked):
        sku_code = tidy(one.sku_code)
        if any(sku.sku_code == sku_code for sku in skus):
            raise invalid(NAMED_TWICE.at(f"skus[{index}].sku_code"))
        fields = said(one) | {"sku_code": sku_code}
        stock = fields.pop("stock", 0)
        fields["specs"] = dict(one.specs)
        old = known.get(sku_code)
        if old is None:
            skus.append(Sku(sku_id=sku_id(before.product_id, sku_code), **fields))
            supplies[skus[-1].sku_id] = stock
        else:
            skus.append(msgspec.structs.replace(old, **fields))
    return skus, supplies


def specs_of(skus: Sequence[Sku]) -> list[Spec]:
    """List the dimensions that these SKUs differ in, each with its values, in the order of their appearance."""
    values: dict[str, dict[str, None]] = {}
    for sku in skus:
        for name, value in sku.specs.items():
            values.setdefault(name, {})[value] = None
    return [Spec(name, list(its_values)) for name, its_values in values.items()]


def check(product: Product) -> None:
    """Raise `invalid` unless every SKU has one value of each spec and no two have the same."""
    allowed = {spec.name: spec.values for spec in product.specs}
    if len(product.specs) > SPECS_MAX:
        raise invalid(TOO_MANY.at("specs", limit=SPECS_MAX))
    if len(allowed) < len(product.specs):
        raise invalid(SAME_SPEC_NAME.at("specs"))
    for number, spec in enumerate(product.specs):
        if len(set(spec.values)) < len(spec.values):
            raise invalid(SAME_SPEC_VALUE.at(f"specs[{number}].values"))
    seen: set[tuple[str, ...]] = set()
    for index, sku in enumerate(product.skus):
        if set(sku.specs) != set(allowed):
            raise invalid(SPECS_INCOMPLETE.at(f"skus[{index}].specs", names=list(allowed)))
        for name, value in sku.specs.items():
            if value not in allowed[name]:
                raise invalid(NOT_A_SPEC_VALUE.at(f"skus[{index}].specs", name=name, value=value))
        chosen = tuple(sku.specs[name] for name in allowed)
        if chosen in seen:
            raise invalid(SAME_SPECS.at(f"skus[{index}].specs"))
        seen.add(chosen)


def check_version(expected: object, version: int) -> None:
    """Raise `conflict` when the change was meant for another version."""
    if expected is not None and expected != version:
        raise MallError("conflict")
