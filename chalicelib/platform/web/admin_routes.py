"""The document of all endpoints, and the page for people: opened with the operators' routes, which they tell of."""

from __future__ import annotations

import functools

import msgspec

from chalicelib.platform.web.endpoint import PUBLIC, Reply, endpoint
from chalicelib.platform.web.openapi import Json, document

_CACHE_SECONDS = 60


@endpoint("GET /openapi.json", PUBLIC, cache_seconds=_CACHE_SECONDS)
def openapi_document() -> Json | Reply:
    """The interface as an OpenAPI 3.1 document."""
    return Reply(_document_json())


@endpoint("GET /docs", PUBLIC, cache_seconds=_CACHE_SECONDS, media="text/html; charset=utf-8")
def docs() -> str | Reply:
    """The interface for reading, with the table of all errors."""
    # Nothing is loaded from anywhere, and no script runs.
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
    return Reply(_docs_html(), content_type="text/html; charset=utf-8", headers=policy)


@functools.cache
def _document_json() -> bytes:
    return msgspec.json.encode(document())


@functools.cache
def _docs_html() -> bytes:
    from chalicelib.platform.web import docs_page  # only who reads the page needs it

    return docs_page.render(document()).encode()
