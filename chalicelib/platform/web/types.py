"""Types that endpoints of all wings speak in."""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

from chalicelib.core import text
from chalicelib.core.errors import BadField, Reason
from chalicelib.core.money import FEN_MAX
from chalicelib.core.pasted import one_line, parcel_number
from chalicelib.core.refusals import EMPTY, TOO_LONG, WRONG_FORMAT

_T = TypeVar("_T")

#: Text that people wrote: no control characters, also none at its end, where `$` alone would let one newline pass.
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$(?!\n)"
#: A name that others are shown: what is not seen may not stand in it (core/text.py).
ShortText = Annotated[str, Meta(min_length=1, max_length=64, pattern=text.NAME)]
#: The same as stored documents have it: what was named before the rule must still be read.
Label = Annotated[str, Meta(min_length=1, max_length=64, pattern=_PRINTABLE)]
Text256 = Annotated[str, Meta(max_length=256, pattern=_PRINTABLE)]
#: Text on one line, however it was typed or pasted: line breaks, tabs and other controls are blanks (`Cleaned`).
Line64 = Annotated[str, Meta(max_length=64, extra={"clean": one_line})]
Line256 = Annotated[str, Meta(max_length=256, extra={"clean": one_line})]
Reason256 = Annotated[Line256, Meta(min_length=1)]
#: A parcel's number that somebody copied: without blanks, in one width (`Cleaned`).
ParcelNumber = Annotated[str, Meta(min_length=1, max_length=64, extra={"clean": parcel_number})]
#: Within [^...]: controls, zero widths, ends of lines, marks of direction.
_UNSEEN = r"\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
#: Within [^...]: what is not in an address: blanks, and what is not seen.
_NO_ADDRESS = rf"\s\xa0{_UNSEEN}"
#: An address of http(s), or none; without a user in it, who would make one host look like another.
URL = rf"^(https?://[^{_NO_ADDRESS}/?#@\\]+([/?#][^{_NO_ADDRESS}]*)?)?$(?!\n)"
URL_LENGTH_MAX = 512
Url = Annotated[str, Meta(max_length=URL_LENGTH_MAX, pattern=URL)]
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$(?!\n)")]
#: A code of the merchant's own: whatever is printed on a label, also with blanks, slashes or in Chinese; nothing that
#: cannot be seen. Who stores one takes the blanks around it off first.
Code = Annotated[str, Meta(min_length=1, max_length=64, pattern=rf"^[^{_UNSEEN}]*[^\s{_UNSEEN}][^{_UNSEEN}]*$(?!\n)")]
Fen = Annotated[int, Meta(ge=0, le=FEN_MAX)]
PriceFen = Annotated[int, Meta(ge=0, le=FEN_MAX // 10)]
Quantity = Annotated[int, Meta(ge=1, le=999)]
Count = Annotated[int, Meta(ge=0, le=100_000_000)]
Limit = Annotated[int, Meta(ge=1, le=100)]
Cursor = Annotated[str, Meta(min_length=1, max_length=2048)]


class Cleaned(msgspec.Struct, frozen=True):
    """What people typed or pasted: as it is decoded, each field whose type says `clean` is made into what was meant.

    `clean` is a pure function of the text; what it gives None for is refused with the type's `refuse`, and what it
    leaves empty where the type wants a character at least.
    """

    def __post_init__(self) -> None:
        for field, rule in _cleaners(type(self)):
            text = getattr(self, field)
            if isinstance(text, str):
                msgspec.structs.force_setattr(self, field, _cleaned(field, text, rule))


class _Cleaner(msgspec.Struct, frozen=True):
    """How a field is cleaned, and what may not come of it."""

    clean: Callable[[str], str | None]
    refuse: Reason
    some: bool
    longest: int | None


def _cleaned(field: str, text: str, rule: _Cleaner) -> str:
    meant = rule.clean(text)
    if meant is None:
        raise BadField(rule.refuse.at(field))
    if not meant and rule.some:
        raise BadField(EMPTY.at(field))
    if rule.longest is not None and len(meant) > rule.longest:  # full forms of some signs are longer
        raise BadField(TOO_LONG.at(field, limit=rule.longest))
    return meant


@functools.cache
def _cleaners(struct: type[Cleaned]) -> tuple[tuple[str, _Cleaner], ...]:
    """The fields of the struct that are cleaned; found when it is first decoded."""
    found: list[tuple[str, _Cleaner]] = []
    for field, hint in typing.get_type_hints(struct, include_extras=True).items():
        metas = list(_metas(hint))
        said = next((meta.extra for meta in metas if meta.extra and "clean" in meta.extra), None)
        if said is not None:
            some = any(meta.min_length for meta in metas)
            longest = min((meta.max_length for meta in metas if meta.max_length is not None), default=None)
            found.append((field, _Cleaner(said["clean"], said.get("refuse", WRONG_FORMAT), some, longest)))
    return tuple(found)


def _metas(hint: Any) -> Iterator[Meta]:
    """What is said of a type, or of each part of a union of types."""
    if hasattr(hint, "__metadata__"):
        yield from (meta for meta in hint.__metadata__ if isinstance(meta, Meta))
    else:
        for part in typing.get_args(hint):
            yield from _metas(part)


class Page(msgspec.Struct, Generic[_T]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[_T]
    next_cursor: str | None = None


class PageQuery(msgspec.Struct, kw_only=True):
    """How every list is paged."""

    limit: Limit = 20
    cursor: Cursor | None = None


class Answer(msgspec.Struct):
    """What WeChat Pay wants to hear of a notice: SUCCESS, or FAIL and why."""

    code: str
    message: str
