"""What members and operators send before they upload a file."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.mall.files.rules import SIZE_MAX, ContentType, MemberPurpose

Size = Annotated[int, Meta(ge=1, le=SIZE_MAX)]


class UploadInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a member will upload: what for, of which type, and how many bytes at most."""

    purpose: MemberPurpose
    content_type: ContentType
    size: Size


class AdminUploadInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator will upload."""

    purpose: Literal["product"]
    content_type: ContentType
    size: Size
