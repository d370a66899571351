"""Uploads for members."""

from __future__ import annotations

from chalicelib.mall.files import service
from chalicelib.mall.files.inputs import UploadInput
from chalicelib.mall.files.tables import owner_of
from chalicelib.mall.files.views import UploadView, upload_view
from chalicelib.platform.web.endpoint import MEMBER, Call, endpoint


@endpoint("POST /v1/uploads", MEMBER, status=201, errors=("invalid", "too_many_requests", "conflict"))
def begin_upload(call: Call, body: UploadInput) -> UploadView:
    """Begin to upload a picture, at most 20 a day: post it by the form `upload`, then name `url` where it is wanted
    (`PUT /v1/me`, the `pictures` of a refund).

    Nobody reads it before something uses it. What is not used until `expires_at`, a day later, is removed.
    """
    return upload_view(*service.begin(owner_of(call.caller), body.purpose, body.content_type, body.size))
