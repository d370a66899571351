"""An upload as it is answered, and as its owner is shown it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.gateways.objects import store
from chalicelib.gateways.objects.store import Form
from chalicelib.mall.files.rules import Purpose, Upload


class FormView(msgspec.Struct):
    """How the file is sent: as multipart/form-data, `fields` first and as they are, then the file as `file`
    (`wx.uploadFile`: `formData` and `name: "file"`)."""

    method: str
    url: str
    headers: dict[str, str]
    fields: dict[str, str]


class UploadView(msgspec.Struct):
    """How to upload; the address by which the file is used, and is public from then on; and until when that must be."""

    upload: FormView
    url: str
    expires_at: datetime


class OwnUpload(msgspec.Struct, omit_defaults=True, kw_only=True):
    """An upload in its owner's data: since when something uses it, where something does."""

    url: str
    purpose: Purpose
    content_type: str
    made_at: datetime
    used_at: datetime | None = None


def upload_view(upload: Upload, form: Form) -> UploadView:
    """Show an upload that was begun."""
    return UploadView(FormView("POST", form.url, {}, form.fields), address_of(upload), upload.expires_at)


def own_upload(upload: Upload) -> OwnUpload:
    """Show an upload to its owner."""
    return OwnUpload(
        url=address_of(upload), purpose=upload.purpose, content_type=upload.content_type, made_at=upload.made_at,
        used_at=upload.used_at,
    )  # fmt: skip


def address_of(upload: Upload) -> str:
    """Give the address of an upload's file, where it is read once it is public."""
    return store.address(store.PUBLIC + upload.file)
