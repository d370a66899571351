"""Which of a file's columns is which of ours (`columns=` of an import). Pure.

A map is JSON, or for what is only called otherwise `ours=theirs,ours=theirs`. Of each of our columns it says where the
cell is found: under a heading; under the first of several that is not empty; and, as an object, how it is read. Only
what a map names is read. Without one, the headings are our names themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chalicelib.commerce.catalogue.refusals import BAD_COLUMN_MAP, NO_SUCH_COLUMN, NOT_OUR_COLUMN
from chalicelib.core.errors import invalid

_Headings = str | Annotated[list[str], Meta(min_length=1, max_length=20)]
_PACKED = "specs."


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one of our columns is found: the first of these headings with something in the cell, or `always` this text.

    `split` parts a cell that is a list, `words` says what a cell's text means, and `before` is put in front of pictures
    that have no address but a path.
    """

    of: _Headings = []
    split: str = ""
    words: dict[str, str] = {}
    before: str = ""
    always: str = ""

    @property
    def headings(self) -> list[str]:
        """The headings, in the order in which they are asked."""
        return [self.of] if isinstance(self.of, str) else self.of

    def read(self, cells: Mapping[str, str]) -> str:
        """Give the cell's text without blanks around, of a list its first; "" where nothing is said."""
        return next(iter(self.items(cells)), "")

    def items(self, cells: Mapping[str, str]) -> list[str]:
        """Give the items of a cell that is a list; the cell alone where nothing parts it."""
        found = next((text for heading in self.headings if (text := cells.get(heading, "").strip())), "")
        text = self.words.get(found, found) or self.always
        return [part if part.startswith("http") else self.before + part for part in _parts(text, self.split)]

    def raw(self, cells: Mapping[str, str]) -> str:
        """Give the cell's text as it stands there."""
        return next((cells[heading] for heading in self.headings if cells.get(heading)), "") or self.always


class SpecSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a row says what its SKU is like, in one of four ways.

    A column for the `value`, and for the name either a column (`name`) or the word itself (`called`); a column with the
    `names` of all and one with the `values`; or one column with `pairs` as `Color=Red`, of which `only` some count.
    `split` parts names, values and pairs. `without` is a value that stands for none.
    """

    called: str = ""
    name: str = ""
    value: str = ""
    names: str = ""
    values: str = ""
    pairs: str = ""
    split: str = "|"
    only: list[str] = []
    without: str = ""

    def read(self, cells: Mapping[str, str], product: Mapping[str, str]) -> dict[str, str]:
        """Give the specs in these cells; names that are left out stand in the cells of the product's first row."""
        if self.pairs:
            found = dict(_pair(text) for text in _parts(cells.get(self.pairs, ""), self.split) if "=" in text)
            return {name: value for name, value in found.items() if value and (not self.only or name in self.only)}
        if self.names:
            names = _parts(cells.get(self.names, ""), self.split) or _parts(product.get(self.names, ""), self.split)
            return dict(zip(names, _parts(cells.get(self.values, ""), self.split), strict=False))
        name = self.called or cells.get(self.name, "").strip() or product.get(self.name, "").strip()
        value = cells.get(self.value, "").strip()
        return {name: value} if name and value and value != self.without else {}


class Variations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column in which a product's row lists its SKUs and their specs, as `sku=A-S,size=S|sku=A-M,size=M`.

    `split` parts the SKUs, `pairs` what is said of each, and `code` is its own name of the SKU's code.
    """

    of: str
    split: str = "|"
    pairs: str = ","
    code: str = "sku"

    def read(self, cells: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """Give the specs of each SKU that the row lists, by its code."""
        found: dict[str, dict[str, str]] = {}
        for text in _parts(cells.get(self.of, ""), self.split):
            said = dict(_pair(part) for part in _parts(text, self.pairs) if "=" in part)
            if code := said.pop(self.code, ""):
                found[code] = said
        return found


class ColumnMap(msgspec.Struct, frozen=True):
    """Where each of our columns is found, and the SKUs' specs."""

    columns: dict[str, Source]
    specs: list[SpecSource] = []
    variations: Variations | None = None

    @property
    def has_skus(self) -> bool:
        """Whether a row of the file is a SKU, and not a product with all of its SKUs."""
        return "skus" not in self.columns and not {"price_fen", "price_yuan"}.isdisjoint(self.columns)


def column_map(text: str, headings: Sequence[str], known: Sequence[str]) -> ColumnMap:
    """Read what `columns=` says of a file with these headings, for a file of ours with the columns `known`.

    Raises `invalid`, naming the column, for what cannot be read, is no column of ours or no heading of the file.
    """
    if not text.strip():
        own = {heading: Source(heading) for heading in headings if heading and not heading.startswith(_PACKED)}
        packed = [heading for heading in headings if heading.startswith(_PACKED)]
        return _with_pairs(ColumnMap(own, [SpecSource(called=one.removeprefix(_PACKED), value=one) for one in packed]))
    said = _said(text)
    variations = _convert(said.pop("variations"), Variations, "variations") if "variations" in said else None
    specs: list[SpecSource] = []
    if isinstance(said.get("specs"), list):
        specs = _convert(said.pop("specs"), list[SpecSource], "specs")
    columns = {ours: _source(ours, theirs) for ours, theirs in said.items()}
    for ours, source in columns.items():
        if ours not in known:
            raise invalid(NOT_OUR_COLUMN.at("columns", column=ours))
        for heading in source.headings:
            if not heading or heading not in headings:
                raise invalid(NO_SUCH_COLUMN.at("columns", column=heading))
    if variations is not None and variations.of not in headings:
        raise invalid(NO_SUCH_COLUMN.at("columns", column=variations.of))
    return _with_pairs(ColumnMap(columns, specs, variations))


def _with_pairs(found: ColumnMap) -> ColumnMap:
    """The map; where each row is a SKU, a plain column `specs` holds pairs."""
    if not found.has_skus or "specs" not in found.columns:
        return found
    columns = dict(found.columns)
    source = columns.pop("specs")
    pairs = [SpecSource(pairs=heading, split=source.split or "|") for heading in source.headings]
    return ColumnMap(columns, [*found.specs, *pairs], found.variations)


def _said(text: str) -> dict[str, Any]:
    if not text.lstrip().startswith("{"):
        return dict(_pair(part) for part in _parts(text, ","))
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise invalid(BAD_COLUMN_MAP.at("columns", column="{")) from None


def _source(ours: str, theirs: Any) -> Source:
    if isinstance(theirs, dict):
        found: Source = _convert(theirs, Source, ours)
        return found
    return Source(_convert(theirs, _Headings, ours))


def _convert(value: Any, kind: Any, ours: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise invalid(BAD_COLUMN_MAP.at("columns", column=ours)) from None


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(), value.strip()


def _parts(text: str, split: str) -> list[str]:
    """The parts of a text that are not empty."""
    return [part.strip() for part in (text.split(split) if split else [text]) if part.strip()]
