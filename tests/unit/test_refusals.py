"""What is told a person who is refused: in their language, in words of the mall, and never in a library's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import Formatter
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from app import ADMIN_ROUTES, SHOP_ROUTES, WINGS
from chalicelib.core import refusals
from chalicelib.core.errors import CODES, Reason, Term
from chalicelib.mall.settings.service import SECTIONS
from chalicelib.platform import wings
from chalicelib.platform.web.endpoint import ENDPOINTS
from chalicelib.platform.web.problems import labels_of
from tests.support.languages import CHINESE, SENTENCE

ROOMS = [refusals, *wings.load(WINGS, "refusals")]
REASONS = [(room.__name__, value) for room in ROOMS for value in vars(room).values() if isinstance(value, Reason)]
TERMS = [
    term
    for room in ROOMS
    for value in vars(room).values()
    for term in ([value] if isinstance(value, Term) else value.values() if isinstance(value, dict) else [])
    if isinstance(term, Term)
]


def texts_of(reason: Reason) -> dict[str, str]:
    """Both texts with everything filled in that may stand in them."""
    names = {name for text in (reason.zh, reason.en) for _, name, _, _ in Formatter().parse(text) if name}
    params = dict.fromkeys(names - {"label", "field"}, 7)
    return {language: reason.at("phone", **params).text(language, {"phone": "手机号"}) for language in ("zh", "en")}


def test_every_code_speaks_both_languages() -> None:
    for code, meaning in CODES.items():
        assert CHINESE.search(meaning.zh) and not SENTENCE.search(meaning.zh), code
        assert meaning.en and not CHINESE.search(meaning.en), code


@pytest.mark.parametrize(("room", "reason"), REASONS, ids=lambda value: getattr(value, "code", value))
def test_every_reason_speaks_both_languages(room: str, reason: Reason) -> None:
    texts = texts_of(reason)
    assert CHINESE.search(texts["zh"]) and not SENTENCE.search(texts["zh"]), texts
    assert texts["en"] and not CHINESE.search(texts["en"]), texts
    assert "{" not in texts["zh"] + texts["en"], texts


def test_every_term_speaks_both_languages() -> None:
    for term in TERMS:
        assert not SENTENCE.search(term.zh), term
        assert term.en and not CHINESE.search(term.en), term


def test_a_code_means_one_reason() -> None:
    by_code: dict[str, Reason] = {}
    for room, reason in REASONS:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", reason.code), (room, reason)
        assert by_code.setdefault(reason.code, reason) == reason, (room, reason)


def fields_of(kind: Any) -> Iterator[str]:
    """The names of all fields of a type that comes in, however deep."""
    seen: set[Any] = set()

    def walk(info: inspect.Type) -> Iterator[str]:
        if isinstance(info, inspect.Metadata):
            yield from walk(info.type)
        elif isinstance(info, inspect.StructType) and info.cls not in seen:
            seen.add(info.cls)
            for field in info.fields:
                yield field.encode_name
                yield from walk(field.type)
        elif isinstance(info, inspect.CollectionType):
            yield from walk(info.item_type)
        elif isinstance(info, inspect.DictType):
            yield from walk(info.value_type)
        elif isinstance(info, inspect.UnionType):
            for one in info.types:
                yield from walk(one)

    yield from walk(inspect.type_info(kind))


@pytest.mark.parametrize("wing", WINGS)
def test_every_field_that_comes_in_has_a_name_for_people(wing: str) -> None:
    wings.load(WINGS, *SHOP_ROUTES, *ADMIN_ROUTES)
    labels = labels_of(f"chalicelib.{wing}.refusals")
    assert sorted({name for name in fields_that_come_into(wing) if name not in labels}) == []


def fields_that_come_into(wing: str) -> Iterator[str]:
    """The fields of bodies and queries, the names in paths, and the fields of the wing's sections of settings."""
    for endpoint in ENDPOINTS:
        if wing_of(endpoint.fields_of) == wing:
            yield from re.findall(r"{(\w+)}", endpoint.path)
            for kind in (endpoint.body, endpoint.query):
                if kind is not None:
                    yield from fields_of(kind)
    for section in SECTIONS.values():
        if wing_of(section.struct.__module__) == wing:
            yield from fields_of(section.struct)


def wing_of(module: str) -> str:
    """The wing that a module of chalicelib belongs to."""
    below = module.removeprefix("chalicelib.") + "."
    return next((wing for wing in WINGS if below.startswith(wing + ".")), "")


def test_the_fields_of_settings_have_the_names_of_the_wing_that_obeys_them() -> None:
    wings.load(WINGS, *ADMIN_ROUTES)
    changes = {each.path: each for each in ENDPOINTS if each.method == "PUT" and each.body is not None}
    for name, section in SECTIONS.items():
        declared = changes[f"/v1/admin/settings/{name}"]
        assert declared.fields_of == section.struct.__module__
        assert wing_of(declared.handler.__module__) == "mall.settings"
        assert wing_of(declared.fields_of) not in ("", "mall.settings")


def test_names_of_fields_are_chinese_and_english() -> None:
    for room in ROOMS:
        for field, name in room.FIELDS.items():
            zh, en = name if isinstance(name, tuple) else (name, field)
            assert CHINESE.search(zh) and not SENTENCE.search(zh), (room.__name__, field)
            assert not CHINESE.search(en), (room.__name__, field)


class Inner(msgspec.Struct):
    quantity: int


class Outer(msgspec.Struct):
    lines: list[Inner]
    note: str | None = None


def test_fields_are_found_however_deep() -> None:
    assert sorted(fields_of(Outer)) == ["lines", "note", "quantity"]


def test_no_parameter_passes_for_a_part_of_the_answer() -> None:
    for room, reason in REASONS:
        names = {name for text in (reason.zh, reason.en) for _, name, _, _ in Formatter().parse(text) if name}
        assert not names & {"code", "message"}, (room, reason)
