"""Uploads for operators."""

from __future__ import annotations

from chalicelib.mall.files import service
from chalicelib.mall.files.inputs import AdminUploadInput
from chalicelib.mall.files.tables import OPERATORS
from chalicelib.mall.files.views import UploadView, upload_view
from chalicelib.platform.web.endpoint import OPERATOR, endpoint


@endpoint("POST /v1/admin/uploads", OPERATOR, permission="catalogue.write", status=201, errors=("invalid", "conflict"))
def begin_shop_upload(body: AdminUploadInput) -> UploadView:
    """Begin to upload a picture of a product: post it by the form `upload`, then name `url` in the product or category.

    Nobody reads it before something uses it. What is not used until `expires_at`, a day later, is removed.
    """
    return upload_view(*service.begin(OPERATORS, body.purpose, body.content_type, body.size))
