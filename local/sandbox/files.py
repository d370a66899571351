"""The store of uploaded files, as S3 is one: forms and requests with Signature Version 4, of a folder.

It holds a form to what was signed (every field, the size, the time) and lets everybody read what is public.
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import flask
from werkzeug.datastructures import FileStorage

from chalicelib.core import signature
from chalicelib.core.signature import Credentials, Scope
from local.keys import BUCKET
from local.sandbox.world import World

_KEY = re.compile(r"(?:private|public)/[A-Za-z0-9._-]{1,80}")
_RANGE = re.compile(r"bytes=0-(\d+)")
#: Fields of a form that no condition has to name.
_FREE = ("x-amz-signature", "policy", "file")
_SKEW_SECONDS = 900


class Denied(Exception):
    """An error of S3: its status and its code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


class Folder:
    """Where the files lie; in a folder of its own that goes with the process, where none is named."""

    def __init__(self, path: Path | None) -> None:
        if path is None:
            path = Path(tempfile.mkdtemp(prefix="yutang-files-"))
            atexit.register(shutil.rmtree, path, ignore_errors=True)
        self.path = path

    def place(self, key: str) -> Path:
        """Where the file of that key lies. Raises Denied for a key that the mall has none of."""
        if not _KEY.fullmatch(key):
            raise Denied(404, "NoSuchKey")
        return self.path / key

    def read(self, key: str) -> tuple[bytes, dict[str, str]]:
        """A file and its headers. Raises Denied."""
        place = self.place(key)
        if not place.exists():
            raise Denied(404, "NoSuchKey")
        return place.read_bytes(), json.loads(place.with_name(f"{place.name}~").read_text())

    def write(self, key: str, body: bytes, headers: dict[str, str]) -> None:
        """Keep a file with these headers."""
        place = self.place(key)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.with_name(f"{place.name}~").write_text(json.dumps(headers))
        place.write_bytes(body)

    def remove(self, key: str) -> None:
        """Remove a file, where it is there."""
        place = self.place(key)
        for one in (place, place.with_name(f"{place.name}~")):
            one.unlink(missing_ok=True)

    def keys(self) -> list[str]:
        """All keys."""
        found = [path for path in self.path.rglob("*") if path.is_file() and not path.name.endswith("~")]
        return sorted(str(path.relative_to(self.path)) for path in found)

    def clear(self) -> None:
        """Remove everything."""
        for part in ("private", "public"):
            shutil.rmtree(self.path / part, ignore_errors=True)


def blueprint(world: World, folder: Folder) -> flask.Blueprint:
    """The calls of the bucket, under /_files, and what the control API shows of it."""
    files = flask.Blueprint("files", __name__)
    files.register_error_handler(Denied, _failure)
    world.resets.append(folder.clear)

    @files.post("/_files/")
    def post() -> flask.Response:
        form, file = flask.request.form.to_dict(), flask.request.files.get("file")
        _check_form(world, form, file)
        assert file is not None
        folder.write(form["key"], file.read(), {"Content-Type": form["Content-Type"]})
        return flask.Response(status=int(form.get("success_action_status", "204")))

    @files.get("/_files/<path:key>")
    def get(key: str) -> flask.Response:
        if not key.startswith("public/"):
            _check_headers(world)
        body, headers = folder.read(key)
        asked = _RANGE.fullmatch(flask.request.headers.get("Range", ""))
        sent = headers | {"ETag": _etag(body), "X-Content-Type-Options": "nosniff"}
        if asked is None:
            return flask.Response(body, headers=sent)
        part = body[: int(asked[1]) + 1]
        sent["Content-Range"] = f"bytes 0-{len(part) - 1}/{len(body)}"
        return flask.Response(part, 206, headers=sent)

    @files.put("/_files/<path:key>")
    def copy(key: str) -> flask.Response:
        _check_headers(world)
        sent = flask.request.headers
        body, _ = folder.read(sent["x-amz-copy-source"].removeprefix(f"/{BUCKET}/"))
        if sent.get("x-amz-copy-source-if-match") != _etag(body):
            raise Denied(412, "PreconditionFailed")
        folder.write(key, body, {"Content-Type": sent["Content-Type"], "Cache-Control": sent["Cache-Control"]})
        return flask.Response("<CopyObjectResult/>", mimetype="application/xml")

    @files.delete("/_files/<path:key>")
    def delete(key: str) -> flask.Response:
        _check_headers(world)
        folder.remove(key)
        return flask.Response(status=204)

    @files.get("/_control/files")
    def shown() -> dict[str, Any]:
        return {"keys": folder.keys()}

    return files


def _failure(denied: Denied) -> tuple[str, int, dict[str, str]]:
    text = f"<Error><Code>{denied.code}</Code></Error>"
    return text, denied.status, {"Content-Type": "application/xml"}


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def _credentials() -> Credentials:
    """Those of the mall, whose environment the sandbox has too."""
    return Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])


def _scope(stamp: str, credential: str) -> Scope:
    """Of what was signed. Raises Denied for another key than the mall's."""
    key_id, day, region, *rest = [*credential.split("/"), "", ""]
    if key_id != _credentials().key_id or day != stamp[:8] or rest[:2] != ["s3", "aws4_request"]:
        raise Denied(403, "InvalidAccessKeyId")
    try:
        return Scope("s3", region, datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))
    except ValueError:
        raise Denied(400, "InvalidArgument") from None


def _check_form(world: World, form: dict[str, str], file: FileStorage | None) -> None:
    """Raise Denied unless the form is what was signed, in time, and its file is of a size that was."""
    if file is None or "policy" not in form:
        raise Denied(400, "InvalidArgument")
    scope = _scope(form.get("x-amz-date", ""), form.get("x-amz-credential", ""))
    signed = signature.sign(_credentials(), scope, form["policy"])
    if not hmac.compare_digest(signed, form.get("x-amz-signature", "")):
        raise Denied(403, "SignatureDoesNotMatch")
    policy = json.loads(base64.b64decode(form["policy"]))
    if datetime.fromisoformat(policy["expiration"]).timestamp() <= world.clock():
        raise Denied(403, "AccessDenied")
    wanted = {"bucket": BUCKET}
    low, high = 0, -1
    for condition in policy["conditions"]:
        if isinstance(condition, dict):
            wanted |= condition
        elif condition[0] == "content-length-range":
            low, high = condition[1:]
    given = {name: value for name, value in form.items() if name not in _FREE} | {"bucket": BUCKET}
    if given != wanted:
        raise Denied(403, "AccessDenied")
    size = file.stream.seek(0, os.SEEK_END)
    file.stream.seek(0)
    if not low <= size <= high:
        raise Denied(400, "EntityTooSmall" if size < low else "EntityTooLarge")


def _check_headers(world: World) -> None:
    """Raise Denied unless the request is signed by the mall, just now."""
    sent = flask.request.headers
    match = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=(\S+), SignedHeaders=(\S+), Signature=(\S+)", sent.get("Authorization", "")
    )
    if match is None:
        raise Denied(403, "AccessDenied")
    scope = _scope(sent.get("x-amz-date", ""), match[1])
    if abs(scope.at.timestamp() - world.clock()) > _SKEW_SECONDS:
        raise Denied(403, "RequestTimeTooSkewed")
    own = ("host", "x-amz-date")
    extra = {name: sent[name] for name in match[2].split(";") if name not in own}
    told = flask.request.method, sent["Host"], flask.request.path
    wanted = signature.headers(_credentials(), scope, *told, extra, sent.get("x-amz-content-sha256", ""))
    if not hmac.compare_digest(wanted["authorization"], sent["Authorization"]):
        raise Denied(403, "SignatureDoesNotMatch")
