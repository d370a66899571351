"""What may be uploaded: for which purpose, of which types, how large, how often; and what a file is by its bytes.

Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from chalicelib.core.errors import invalid
from chalicelib.core.refusals import AT_MOST
from chalicelib.mall.files.refusals import OTHER_PURPOSE

Purpose = Literal["avatar", "refund", "review", "product"]
#: Those for which members upload; operators upload pictures of products.
MemberPurpose = Literal["avatar", "refund", "review"]
ContentType = Literal["image/jpeg", "image/png", "image/webp", "image/gif"]

_MIB = 1024 * 1024
#: Bytes that a file may have; WeChat looks at pictures of up to 10 MB.
SIZES: dict[str, int] = {"avatar": 2 * _MIB, "refund": 5 * _MIB, "review": 5 * _MIB, "product": 10 * _MIB}
SIZE_MAX = max(SIZES.values())
#: Uploads of a member in a day of Asia/Shanghai.
A_DAY_MAX = 20
#: How long something must use the file.
UNUSED_FOR = timedelta(days=1)
#: After this nobody who has found the upload is at work on its file any more: a request lives for half a minute.
SETTLED_AFTER = timedelta(minutes=2)
#: Bytes at the start of a file that say what it is.
START = 16

_ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/gif": "gif"}


class Upload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that somebody may upload, or has: `size` in bytes is what it may have, `used_at` since when it is used."""

    upload_id: str
    purpose: Purpose
    content_type: ContentType
    size: int
    made_at: datetime
    used_at: datetime | None = None

    @property
    def file(self) -> str:
        """The name of its file, once that is public."""
        return f"{self.upload_id}.{_ENDINGS[self.content_type]}"

    @property
    def expires_at(self) -> datetime:
        """Until when something must use it."""
        return self.made_at + UNUSED_FOR


def check_size(purpose: str, size: int) -> None:
    """Raise `invalid` for a file that is too large for its purpose."""
    if size > SIZES[purpose]:
        raise invalid(AT_MOST.at("size", limit=SIZES[purpose]))


def check_purpose(upload: Upload, purpose: str, field: str) -> None:
    """Raise `invalid`, naming the field, for a file that was uploaded for something else."""
    if upload.purpose != purpose:
        raise invalid(OTHER_PURPOSE.at(field))


def type_of(start: bytes) -> str:
    """Tell the type of a picture by its first bytes; "" for anything else."""
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if start[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    return "image/webp" if start[:4] == b"RIFF" and start[8:12] == b"WEBP" else ""


def upload_of(file: str) -> str:
    """Give the id of the upload whose file has that name."""
    return file.partition(".")[0]
