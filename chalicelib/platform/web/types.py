"""Types that endpoints of all wings speak in."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from chalicelib.core import text
from chalicelib.core.money import FEN_MAX

_T = TypeVar("_T")

#: Text that people wrote: no control characters, also none at its end, where `$` alone would let one newline pass.
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$(?!\n)"
#: A name that others are shown: what is not seen may not stand in it (core/text.py).
ShortText = Annotated[str, Meta(min_length=1, max_length=64, pattern=text.NAME)]
#: The same as stored documents have it: what was named before the rule must still be read.
Label = Annotated[str, Meta(min_length=1, max_length=64, pattern=_PRINTABLE)]
Text256 = Annotated[str, Meta(max_length=256, pattern=_PRINTABLE)]
#: Within [^...]: controls, zero widths, ends of lines, marks of direction.
_UNSEEN = r"\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
#: Within [^...]: what is not in an address: blanks, and what is not seen.
_NO_ADDRESS = rf"\s\xa0{_UNSEEN}"
#: An address of http(s), or none; without a user in it, who would make one host look like another.
Url = Annotated[
    str, Meta(max_length=512, pattern=rf"^(https?://[^{_NO_ADDRESS}/?#@\\]+([/?#][^{_NO_ADDRESS}]*)?)?$(?!\n)")
]
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
