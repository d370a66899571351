"""What the operators' log keeps of a request: its numbers whatever else is there, and no secret, nor a person."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.catalogue.products.inputs import ProductChangeInput
from chalicelib.mall.operators.audit.rules import (
    KEPT_BYTES,
    is_about_persons,
    kept_body,
    kept_file,
    kept_outcome,
    kept_parameters,
    shortened,
)

PRODUCT = frozenset(ProductChangeInput.__struct_encode_fields__)
PHONE, PLACE = "13756168064", "石阡县人民路 7 号"


def kept(body: Any, fields: frozenset[str] = PRODUCT, about_persons: bool = False) -> Any:
    text = kept_body(json.dumps(body).encode(), fields, about_persons)
    assert len(text.encode()) <= KEPT_BYTES
    return json.loads(text)


def prices(entry: Any) -> list[int]:
    """Every price that an entry names, also as the least or the greatest of many."""
    found: list[int] = []

    def look(value: Any, is_price: bool) -> None:
        if isinstance(value, dict):
            for name, part in value.items():
                look(part, is_price or name.endswith("price_fen"))
        elif isinstance(value, list):
            for part in value:
                look(part, is_price)
        elif is_price and isinstance(value, int):
            found.append(value)

    look(entry, is_price=False)
    return found


def says_what_came(entry: Any, raw: bytes) -> bool:
    """Whether the entry owns that something is missing, and proves what came."""
    (how,) = {"cut", "unreadable"} & set(entry)
    return bool(entry[how]["bytes"] == len(raw) and entry[how]["sha256"] == hashlib.sha256(raw).hexdigest())


def test_a_long_description_does_not_hide_the_price() -> None:
    entry = kept({"detail": "x" * 2100, "skus": [{"sku_code": "a", "price_fen": 1}]})
    assert entry == {"detail": f"{'x' * 64}…(2100)", "skus": [{"sku_code": "a", "price_fen": 1}]}


def test_among_hundreds_of_prices_the_least_and_the_greatest_are_told() -> None:
    skus = [
        {"sku_code": f"a-long-enough-code-{i}", "specs": {"size": f"{i}"}, "price_fen": 99_900 + i} for i in range(200)
    ]
    skus[117]["price_fen"] = 1
    body = {"detail": "x" * 5000, "skus": skus}
    entry = kept(body)
    assert entry["numbers"]["skus[].price_fen"] == {"count": 200, "min": 1, "max": 100_099}
    assert says_what_came(entry, json.dumps(body).encode())


_words = st.text(max_size=200)
#: What the request of a product takes, as full as a merchandiser may make it.
_TAKEN = st.fixed_dictionaries(
    {},
    optional={
        "name": _words,
        "brief": _words,
        "detail": st.integers(0, 40_000).map(lambda length: "鱼" * length),
        "keywords": st.lists(_words, max_size=40),
        "gallery": st.lists(_words, max_size=60),
        "specs": st.lists(st.fixed_dictionaries({"name": _words, "values": st.lists(_words, max_size=20)}), max_size=5),
        "values": st.lists(st.fixed_dictionaries({"name": _words, "value": _words}), max_size=60),
        "sort": st.integers(0, 10**8),
        "weight_g": st.integers(0, 10**8),
    },
)  # fmt: skip
_SKU = st.fixed_dictionaries(
    {"sku_code": st.text(min_size=1, max_size=64), "price_fen": st.integers(0, 10**8)},
    optional={
        "specs": st.dictionaries(_words, _words, max_size=4),
        "stock": st.integers(0, 10**8),
        "list_price_fen": st.integers(0, 10**8),
    },
)  # fmt: skip


@given(_TAKEN, st.lists(_SKU, max_size=30), st.data())
def test_whatever_a_merchandiser_adds_the_entry_says_the_price(
    body: dict[str, Any], skus: list[Any], data: st.DataObject
) -> None:
    evil = {"sku_code": "evil", "specs": {}, "price_fen": 1}
    skus = [msgspec.json.decode(msgspec.json.encode(sku | {"price_fen": sku["price_fen"] + 1})) for sku in skus]
    skus.insert(data.draw(st.integers(0, len(skus))), evil)
    fields = list((body | {"skus": skus}).items())
    entry = kept(dict(data.draw(st.permutations(fields))))
    assert 1 in prices(entry)


_texts = st.text(max_size=8) | st.integers(0, 3000).map("键".__mul__)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)
_PADDING = st.dictionaries(
    _texts, _JSON | st.tuples(st.integers(0, 300), _JSON).map(lambda many: [many[1]] * many[0]), max_size=5
)


@given(_PADDING, st.booleans())
def test_whatever_is_added_the_entry_says_the_price_or_that_something_is_missing(
    padding: dict[str, Any], first: bool
) -> None:
    evil = {"skus": [{"sku_code": "evil", "price_fen": 1}]}
    body = evil | padding | evil if first else {**{k: v for k, v in padding.items() if k != "skus"}, **evil}
    raw = json.dumps(body).encode()
    text = kept_body(raw, PRODUCT, about_persons=False)
    assert len(text.encode()) <= KEPT_BYTES
    entry = json.loads(text)
    assert 1 in prices(entry) or says_what_came(entry, raw)


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"{", b"[" * 900, b"[" * 5000, b"1e999", b'"\\ud800"', b'{"a":' * 3000 + b"1" + b"}" * 3000]
)
def test_of_what_nothing_can_read_size_and_digest_are_kept(body: bytes) -> None:
    assert says_what_came(json.loads(kept_body(body, PRODUCT, about_persons=False)), body)
    short = json.loads(kept_body(body, PRODUCT, about_persons=True))["unreadable"]
    assert ("sha256" in short) == (len(body) > KEPT_BYTES)  # the digest of a short text would confirm a guess


@given(st.binary(max_size=5000), st.booleans())
def test_whatever_bytes_come_the_entry_is_within_its_bounds(body: bytes, about_persons: bool) -> None:
    assert len(kept_body(body, PRODUCT, about_persons).encode()) <= KEPT_BYTES
    assert len(kept_file(body).encode()) <= KEPT_BYTES


def test_nothing_is_kept_of_nothing() -> None:
    assert kept_body(b"", PRODUCT, about_persons=False) == ""
    assert kept_outcome({}) == ""


@pytest.mark.parametrize(
    "name", ["password", "old_password", "phone", "PHONE_NUMBER", "app_Secret", "token", "tokens", "totp"]
)
def test_what_is_named_after_a_secret_is_hidden_and_not_what_stands_below(name: str) -> None:
    body = {
        name: "s3cret",
        "list": [{name: ["s3cret", {"x": "s3cret", "price_fen": 1}]}, {name: 13756168064, "stock": 2}],
    }
    entry = kept(body, frozenset(body))
    assert "s3cret" not in json.dumps(entry)
    assert "13756168064" not in json.dumps(entry)
    assert entry["list"] == [{name: ["***", {"x": "***", "price_fen": 1}]}, {name: "***", "stock": 2}]


def test_a_field_that_the_request_does_not_have_keeps_no_text() -> None:
    assert kept({"nmae": "my password", "x": {"y": ["my password", 5]}, "name": "鱼"}) == {
        "nmae": "(11 characters)", "x": {"y": ["(11 characters)", 5]}, "name": "鱼",
    }  # fmt: skip
    assert kept("my password") == "(11 characters)"


@pytest.mark.parametrize("name", ["reason", "note", "remark", "tracking_no"])
def test_of_what_is_told_about_somebody_only_the_length_is_kept(name: str) -> None:
    told = f"请退到张三 {PHONE} {PLACE}"
    body = {name: told, "lines": [{"sku_id": "p1-a", "quantity": 2, name: told}], "restock": True}
    entry = kept(body, frozenset(body))
    assert entry == {
        name: f"({len(told)} characters)",
        "lines": [{"sku_id": "p1-a", "quantity": 2, name: f"({len(told)} characters)"}],
        "restock": True,
    }
    assert kept({name: 13756168064}, frozenset({name})) == {name: "***"}


def test_of_calls_about_persons_ids_words_and_amounts_are_kept() -> None:
    body = {
        "name": "张三", "province": "贵州", "detail": PLACE, "carrier": "SF", "order_id": "o1", "fen": 5,
        "nr": int(PHONE), "state": PLACE,
    }  # fmt: skip
    assert kept(body, frozenset(body), about_persons=True) == {
        "name": "(2 characters)", "province": "(2 characters)", "detail": f"({len(PLACE)} characters)", "carrier": "SF",
        "order_id": "o1", "fen": 5, "nr": "***", "state": f"({len(PLACE)} characters)",
    }  # fmt: skip


_PERSONAL = st.sampled_from([PHONE, PLACE, f"张三 {PHONE}", int(PHONE)])


@given(
    st.recursive(
        _PERSONAL,
        lambda inner: (
            st.lists(inner, max_size=30) | st.dictionaries(st.sampled_from(["reason", "x", "y_fen"]), inner, max_size=3)
        ),
    ),
    st.sampled_from(["reason", "reazon", "note"]),
)
def test_in_no_entry_of_a_call_about_persons_is_a_phone_or_an_address(told: Any, name: str) -> None:
    entry = json.dumps(
        kept({name: told, "lines": []}, frozenset({"reason", "lines", "note"}), about_persons=True), ensure_ascii=False
    )
    assert not [mark for mark in (PHONE, PLACE, "张三") if mark in entry]


def test_in_calls_about_persons_names_that_people_choose_are_numbered() -> None:
    body = {
        f"{PHONE} 张三": "a",
        "order_id": "o1",
        "field1": 1,
        "lines": [{PLACE: 2, "张三": 3, f"a{PHONE}": 4, "n": 5}],
    }
    assert kept(body, frozenset({"order_id", "lines"}), about_persons=True) == {
        "field2": "(1 characters)", "order_id": "o1", "field1": "***",
        "lines": [{"field1": 2, "field2": 3, "field3": 4, "n": 5}],
    }  # fmt: skip
    assert kept({"键": 1, "y": 8288288}) == {"键": 1, "y": 8288288}  # a price in a wrong field is told elsewhere


_NUMBERS = st.integers(1_000_000, 9_999_999)
_CHOSEN = st.text(max_size=80) | st.sampled_from([PHONE, PLACE, f"{PHONE} 张三", "x", "field1"])


@given(
    st.dictionaries(
        _CHOSEN.filter(lambda name: name not in ("quantity", "lines")),
        st.recursive(
            _NUMBERS | _NUMBERS.map(float),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_CHOSEN, inner, max_size=4),
        ),
        max_size=5,
    ),
    st.dictionaries(_CHOSEN, st.just(5), max_size=5),
)
def test_in_calls_about_persons_neither_chosen_names_nor_numbers_in_unknown_fields_are_kept(
    unknown: dict[str, Any], line: dict[str, Any]
) -> None:
    entry = kept(unknown | {"quantity": 7, "lines": [line]}, frozenset({"quantity", "lines"}), about_persons=True)
    numbers: list[float] = []
    names: list[str] = []

    def look(value: Any) -> None:
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            look(part)
        if isinstance(value, dict):
            names.extend(value)
        elif isinstance(value, int | float):
            numbers.append(value)

    if "cut" not in entry:
        look(entry)
        assert sorted(numbers) == [5] * len(line) + [7]  # no name is lost to another
        assert all(re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,63}", name) for name in names)
    else:
        assert {one for told in entry["numbers"].values() if isinstance(told, list) for one in told} <= {5, 7}
    assert not [mark for mark in (PHONE, PLACE, "张三") if mark in json.dumps(entry, ensure_ascii=False)]


@pytest.mark.parametrize(
    ("permission", "is_about"),
    [
        ("orders.refund", True),
        ("members.block", True),
        ("withdrawals.review", True),
        ("distributors.write", True),
        ("catalogue.write", False),
        ("self", False),
    ],
)
def test_calls_about_persons(permission: str, is_about: bool) -> None:
    assert is_about_persons(permission) is is_about


def test_of_a_file_size_lines_and_digest_are_kept() -> None:
    assert json.loads(kept_file(b"a,b\n1,2\n3,4")) == {
        "file": {"bytes": 11, "sha256": hashlib.sha256(b"a,b\n1,2\n3,4").hexdigest(), "lines": 3}
    }
    assert json.loads(kept_file(b"a\n"))["file"]["lines"] == 1


def test_of_the_query_and_the_path_secrets_are_hidden_and_texts_shortened() -> None:
    query = {"phone_last4": "8064", "day": "2026-11-29", "q": "x" * 3000}
    assert kept_parameters(query, about_persons=False) == {
        "phone_last4": "***", "day": "2026-11-29", "q": f"{'x' * 64}…(3000)",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "is_kept"), [("refund_requested", True), ("mdy7vvlnnmtc", True), (PHONE, False), ("张三", False)]
)
def test_of_a_query_about_persons_words_and_ids_are_kept(asked: str, is_kept: bool) -> None:
    assert kept_parameters({"queue": asked}, about_persons=True) == {
        "queue": asked if is_kept else f"({len(asked)} characters)"
    }


@pytest.mark.parametrize("name", ["q", "identity"])
@pytest.mark.parametrize(
    ("asked", "is_kept"), [("m" + "a2" * 12, True), ("8064", False), ("alice", False), ("oAbc", False), ("张三", False)]
)
def test_of_what_a_person_is_looked_for_by_an_id_alone_is_kept(name: str, asked: str, is_kept: bool) -> None:
    assert kept_parameters({name: asked}, about_persons=True) == {
        name: asked if is_kept else f"({len(asked)} characters)"
    }
    assert kept_parameters({name: asked}, about_persons=False) == {name: asked}


@given(_PADDING)
def test_what_a_call_says_of_its_end_is_within_its_bounds(outcome: dict[str, Any]) -> None:
    assert len(kept_outcome(outcome).encode()) <= KEPT_BYTES


def test_texts_are_shortened_to_so_many_characters() -> None:
    assert (shortened("鱼" * 64), shortened("鱼" * 65)) == ("鱼" * 64, f"{'鱼' * 64}…(65)")
