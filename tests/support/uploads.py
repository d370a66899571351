"""What a mini-program does with a picture: it asks for a form, and posts the file by it."""

from __future__ import annotations

from typing import Any

import requests

from local.client import Client

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 40
WEBP = b"RIFF\x20\0\0\0WEBPVP8 " + b"\0" * 40
GIF = b"GIF89a" + b"\0" * 40
PICTURES = {"image/png": PNG, "image/jpeg": JPEG, "image/webp": WEBP, "image/gif": GIF}


def begin(owner: Client, purpose: str = "avatar", content_type: str = "image/png", size: int = 1000) -> Any:
    """An upload that was begun, nothing sent yet."""
    path = "/v1/admin/uploads" if purpose == "product" else "/v1/uploads"
    return owner.post(path, {"purpose": purpose, "content_type": content_type, "size": size}).ok(201)


def send(begun: Any, file: bytes, **changes: str | None) -> int:
    """Post the file by the form, as `wx.uploadFile` does, with some fields changed or left out (None); the status."""
    form = begun["upload"]
    fields = {name: value for name, value in (form["fields"] | changes).items() if value is not None}
    reply = requests.request(
        form["method"], form["url"], headers=form["headers"], data=fields, files={"file": ("a.bin", file)}, timeout=10
    )
    return reply.status_code


def upload(owner: Client, purpose: str = "avatar", content_type: str = "image/png") -> str:
    """The address of a picture that was uploaded."""
    begun = begin(owner, purpose, content_type)
    assert send(begun, PICTURES[content_type]) == 204
    url: str = begun["url"]
    return url


def seen(url: str) -> int:
    """What everybody is answered at this address."""
    return requests.get(url, timeout=10).status_code
