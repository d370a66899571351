"""CSV as spreadsheets take it, and texts that none of them takes for a formula. Pure.

Excel, WPS and others reckon a cell that begins with one of = + - @, and some of them pass over what cannot be seen
before it, or read a full-width sign like its narrow one. Such a text is written with a ' in front; `unguarded` takes it
off again. So that this can be told from a ' of the text itself, a text that begins with one has a second.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence

_SIGNS = frozenset("=+-@")
#: Of characters that are not seen: control, format (zero widths, marks of direction), space, line, paragraph.
_UNSEEN = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
_MARK = "'"


def write(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Write the rows under their names, texts guarded and None as an empty cell, with a BOM that names the encoding."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([guarded(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def guarded(text: str) -> str:
    """Put a ' in front of a text that a spreadsheet might take for a formula."""
    return _MARK + text if _wants_mark(text) else text


def unguarded(text: str) -> str:
    """Take off again what `guarded` has put in front."""
    return text[1:] if text.startswith(_MARK) and _wants_mark(text[1:]) else text


def _wants_mark(text: str) -> bool:
    if text.startswith((_MARK, "\t", "\r", "\n")):
        return True
    first = next((one for one in text if unicodedata.category(one) not in _UNSEEN), "")
    return unicodedata.normalize("NFKC", first)[:1] in _SIGNS
