"""Catalogues of other shops, in their own columns, by the maps that docs/operators.md states."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.catalogue.import_export.inputs import ProductLine
from chalicelib.commerce.catalogue.import_export.rules import Parsed, parse
from chalicelib.commerce.catalogue.products.rules import said

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = ROOT / "tests" / "data" / "catalogues"


def stated_map(shop: str) -> str:
    """The map of the shop's columns, as the manual has it."""
    text = (ROOT / "docs" / "operators.md").read_text()
    found = re.search(rf"\*\*{shop}\*\* \([^\n]*\):\n\n((?: {{4}}[^\n]*\n)+)", text)
    assert found is not None
    return found[1]


def read(shop: str) -> list[Parsed]:
    file = (FILES / f"{shop.lower()}.csv").read_bytes()
    return parse(file, "csv", ProductLine, stated_map(shop)).lines


def plain(one: Parsed) -> dict[str, Any]:
    """What a line says."""
    assert one.errors == ()
    fields = said(one.value)
    fields["skus"] = [said(sku) for sku in fields["skus"]]
    return fields


CDN, WOO = "https://cdn.shop.example", "https://woo.example"
MEDIA, ASSETS = "https://shop.example/media/catalog/product", "https://shop.example/assets"
EXPECTED: dict[str, list[dict[str, Any]]] = {
    "Shopify": [
        {
            "product_code": "river-tee", "name": "River Tee", "brand": "Qingtang", "on_sale": True,
            "detail": '<p>Soft "slub" cotton,\nmade to last.</p>', "keywords": ["cotton", "summer"],
            "picture_url": f"{CDN}/river-1.jpg", "gallery": [f"{CDN}/river-{n}.jpg" for n in (1, 2, 3)],
            "skus": [
                {"sku_code": "RT/S G", "specs": {"Size": "S", "Color": "Green"}, "price_fen": 5900,
                 "list_price_fen": 7900, "stock": 12, "weight_g": 180, "picture_url": f"{CDN}/river-green.jpg"},
                {"sku_code": "RT/M G", "specs": {"Size": "M", "Color": "Green"}, "price_fen": 5900,
                 "list_price_fen": 7900, "stock": 7, "weight_g": 190, "picture_url": f"{CDN}/river-green.jpg"},
                {"sku_code": "RT/M S", "specs": {"Size": "M", "Color": "Sand"}, "price_fen": 6250, "stock": 0,
                 "weight_g": 190},
            ],
        },
        {
            "product_code": "linen-throw", "name": "Linen throw", "brand": "Qingtang", "on_sale": False,
            "picture_url": f"{CDN}/throw.jpg", "gallery": [f"{CDN}/throw.jpg"],
            "skus": [{"sku_code": "linen-throw", "specs": {}, "price_fen": 128000, "stock": 3, "weight_g": 650}],
        },
    ],
    "WooCommerce": [
        {
            "product_code": "mug-glaze", "name": "Glazed mug", "brief": "A mug.", "detail": "<p>Thrown by hand.</p>",
            "on_sale": True, "keywords": ["clay", "gift"], "picture_url": f"{WOO}/mug-1.jpg",
            "gallery": [f"{WOO}/mug-1.jpg", f"{WOO}/mug-2.jpg"],
            "skus": [
                {"sku_code": "mug-glaze-c-s", "specs": {"Glaze": "Celadon", "Size": "Small"}, "price_fen": 3990,
                 "list_price_fen": 3990, "stock": 4, "weight_g": 300, "picture_url": f"{WOO}/mug-c.jpg"},
                {"sku_code": "mug-glaze-w-l", "specs": {"Glaze": "White", "Size": "Large"}, "price_fen": 4500,
                 "list_price_fen": 4500, "weight_g": 400},
            ],
        },
        {
            "product_code": "beanie 01", "name": "Beanie", "brief": "Warm.", "on_sale": True,
            "picture_url": f"{WOO}/beanie.jpg", "gallery": [f"{WOO}/beanie.jpg"],
            "skus": [
                {"sku_code": "beanie 01", "specs": {"Color": "Red"}, "price_fen": 1800, "list_price_fen": 2000,
                 "stock": 9, "weight_g": 200, "picture_url": f"{WOO}/beanie.jpg"},
            ],
        },
        {
            "product_code": "old-plate", "name": "Old plate", "on_sale": False,
            "skus": [{"sku_code": "old-plate", "specs": {}, "price_fen": 1000, "list_price_fen": 1000, "stock": 0}],
        },
    ],
    "Magento": [
        {
            "product_code": "HD01", "name": "River Hoodie", "brief": "A hoodie.", "detail": "<p>Ease into it.</p>",
            "on_sale": True, "picture_url": f"{MEDIA}/h/d/hd01.jpg",
            "gallery": [f"{MEDIA}/h/d/hd01_b.jpg", f"{MEDIA}/h/d/hd01_c.jpg"],
            "skus": [
                {"sku_code": "HD01-S-Ash", "specs": {"size": "S", "color": "Ash"}, "price_fen": 5200,
                 "list_price_fen": 5200, "stock": 100, "weight_g": 800},
                {"sku_code": "HD01-M-Ash", "specs": {"size": "M", "color": "Ash"}, "price_fen": 5400,
                 "list_price_fen": 5400, "stock": 80, "weight_g": 800},
            ],
        },
        {
            "product_code": "BAG 24", "name": "River Bag", "detail": "<p>Holds all.</p>", "on_sale": False,
            "picture_url": f"{MEDIA}/b/a/bag.jpg",
            "skus": [{"sku_code": "BAG 24", "specs": {}, "price_fen": 3900, "list_price_fen": 4550, "stock": 12,
                      "weight_g": 1250}],
        },
    ],
    "Vendure": [
        {
            "product_code": "notebook", "name": "Notebook", "detail": 'Now with a "long" battery.', "on_sale": True,
            "picture_url": f"{ASSETS}/desk-notebook.jpg", "gallery": [f"{ASSETS}/desk-notebook.jpg"],
            "skus": [
                {"sku_code": "N13/8", "specs": {"screen size": "13 inch", "RAM": "8GB"}, "price_fen": 129900,
                 "stock": 100},
                {"sku_code": "N15/8", "specs": {"screen size": "15 inch", "RAM": "8GB"}, "price_fen": 139900,
                 "stock": 60},
                {"sku_code": "N15/16", "specs": {"screen size": "15 inch", "RAM": "16GB"}, "price_fen": 159900},
            ],
        },
        {
            "product_code": "Spiky Cactus", "name": "Spiky Cactus", "detail": "A cactus.", "on_sale": True,
            "picture_url": f"{ASSETS}/cactus-1.jpg", "gallery": [f"{ASSETS}/cactus-1.jpg", f"{ASSETS}/cactus-2.jpg"],
            "skus": [{"sku_code": "4058NB/09", "specs": {}, "price_fen": 1550, "stock": 20}],
        },
    ],
}  # fmt: skip


@pytest.mark.parametrize("shop", EXPECTED)
def test_a_catalogue_of_another_shop_goes_in_by_the_map_that_the_manual_states(shop: str) -> None:
    assert [plain(one) for one in read(shop)] == EXPECTED[shop]


@pytest.mark.parametrize("shop", EXPECTED)
def test_each_map_of_the_manual_is_json_and_a_query_may_have_it(shop: str) -> None:
    compact = msgspec.json.encode(msgspec.json.decode(stated_map(shop))).decode()
    assert len(compact) <= 2000
    assert parse((FILES / f"{shop.lower()}.csv").read_bytes(), "csv", ProductLine, compact).lines == read(shop)
