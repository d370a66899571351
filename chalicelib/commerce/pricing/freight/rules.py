"""What sending costs, by the rules of a template. Pure."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.commerce.pricing.basket.rules import DEFAULT_TEMPLATE, Item
from chalicelib.core.errors import MallError
from chalicelib.platform.web.types import Fen, Label, Text256

Region = Annotated[str, Meta(pattern=r"^[1-9][0-9]{5}$(?!\n)")]
Step = Annotated[int, Meta(ge=1, le=1_000_000)]


class FreightRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The costs of sending to some regions. Steps are pieces or grams, as the template says.

    The first `first` cost `first_fen`, each `further` more or part of it `further_fen`; nothing from
    `free_from_fen` of goods on. `regions` are administrative codes (110000 is all of 北京市, 440300 all of
    深圳市); none means everywhere that no other rule names.
    """

    regions: Annotated[list[Region], Meta(max_length=400)] = []
    first: Step = 1
    first_fen: Fen = 0
    further: Step = 1
    further_fen: Fen = 0
    free_from_fen: Fen | None = None


class FreightTemplate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the freight of some products is found. `unserved` regions get nothing sent; they win over any rule."""

    name: Label
    by: Literal["piece", "weight"] = "piece"
    rules: Annotated[list[FreightRule], Meta(min_length=1, max_length=40)]
    unserved: Annotated[list[Region], Meta(max_length=400)] = []
    note: Text256 = ""


def freight_fen(items: Sequence[Item], templates: Mapping[str, FreightTemplate], region_code: str) -> int:
    """Find the freight to the region, in fen: for the items of each template together, and added up.

    Raises `region_not_served` with the SKUs that cannot be sent there.
    """
    total = 0
    stuck: list[str] = []
    for template_id, group in _by_template(items, templates).items():
        template = templates.get(template_id)
        if template is None:
            continue
        rule = rule_for(template, region_code)
        if rule is None:
            stuck += [item.sku_id for item in group]
        else:
            total += _charge(rule, template.by, group)
    if stuck:
        raise MallError("region_not_served", skus=stuck)
    return total


def spared(items: Sequence[Item], templates: Mapping[str, FreightTemplate], region_code: str) -> list[str]:
    """List the templates that would cost freight to a region that they serve, were their goods not dear enough to go
    free from it: what is refunded of those goods may bring it back."""
    found: list[str] = []
    for template_id, group in _by_template(items, templates).items():
        template = templates.get(template_id)
        if template is None:
            continue
        rule = rule_for(template, region_code)
        if rule is not None:
            charged = msgspec.structs.replace(rule, free_from_fen=None)
            if _charge(rule, template.by, group) < _charge(charged, template.by, group):
                found.append(template_id)
    return found


def _by_template(items: Sequence[Item], templates: Container[str]) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.template_id if item.template_id in templates else DEFAULT_TEMPLATE, []).append(item)
    return groups


def rule_for(template: FreightTemplate, region_code: str) -> FreightRule | None:
    """Find the rule that names the region most closely (district before city before province); None: not served."""
    if any(covers(region, region_code) for region in template.unserved):
        return None
    best: FreightRule | None = None
    best_length = -1
    for rule in template.rules:
        for prefix in [_prefix(region) for region in rule.regions] or [""]:
            if region_code.startswith(prefix) and len(prefix) > best_length:
                best, best_length = rule, len(prefix)
    return best


def covers(region: str, region_code: str) -> bool:
    """Tell whether the province, city or district `region` contains `region_code`."""
    return region_code.startswith(_prefix(region))


def _prefix(region: str) -> str:
    return region[:2] if region.endswith("0000") else region[:4] if region.endswith("00") else region


def _charge(rule: FreightRule, by: str, group: Sequence[Item]) -> int:
    goods = sum(item.unit_price_fen * item.quantity for item in group)
    if rule.free_from_fen is not None and goods >= rule.free_from_fen:
        return 0
    size = sum(item.quantity * (item.weight_g if by == "weight" else 1) for item in group)
    steps = max(0, -(-(size - rule.first) // rule.further))
    return rule.first_fen + steps * rule.further_fen
