"""Reads of uploads: whose an address is, and all that somebody has uploaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from chalicelib.gateways.objects import store
from chalicelib.mall.files.rules import Upload, upload_of
from chalicelib.mall.files.tables import Uploads, is_upload, upload_key
from chalicelib.platform.store import read

_PAGE = 100
#: How a file is named: its upload's id, and what it is.
_NAME = re.compile(r"u[a-z2-7]{10,40}\.[a-z]{3,4}")


def is_own(url: str) -> bool:
    """Tell whether the address is one of the mall's own uploads."""
    return _name(url) is not None


def find(owner: str, url: str) -> Upload | None:
    """Find the owner's upload of that address; None where they have none."""
    file = _name(url)
    if file is None or not _NAME.fullmatch(file):
        return None
    item = read.get(Uploads, *upload_key(owner, upload_of(file)))
    return item.upload if item is not None and item.upload.file == file else None


def of_owner(owner: str, position: str | None = None) -> tuple[list[Upload], str | None]:
    """Read a page of what the owner has uploaded, and where the next one starts."""
    after: Any = None if position is None else {"owner": {"S": owner}, "part": {"S": position}}
    found, rest = read.query(Uploads, owner, limit=_PAGE, after=after, consistent=True)
    items = [Uploads.from_raw_data(raw) for raw in found]
    return [item.upload for item in items if is_upload(item)], None if rest is None else rest["part"]["S"]


def parts(owner: str) -> Iterator[Uploads]:
    """Read every item that there is of the owner."""
    return read.query_all(Uploads, owner, consistent=True)


def _name(url: str) -> str | None:
    """What stands behind the address of the mall's files, today's or the bucket's own; None of other addresses."""
    starts = (store.address(store.PUBLIC), f"{store.url()}/{store.PUBLIC}")
    return next((url.removeprefix(start) for start in starts if url.startswith(start)), None)
