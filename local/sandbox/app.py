"""Puts the sandbox together: WeChat's two hosts and those of two vendors of SMS in one, with faults before and
signatures after every call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask

from local.doors import only_from_here
from local.keys import Keys
from local.sandbox import ads, content, control, faults, files, mini, oa, pay, sends, sms, templates
from local.sandbox.files import Folder
from local.sandbox.notifier import Notifier
from local.sandbox.store import Store
from local.sandbox.world import World

#: Calls served at once; a time-out on demand holds one of them for seconds.
THREADS = 32


def create_app(
    keys: Keys,
    path: Path | None,
    clock: Callable[[], float],
    messages_url: str | None = None,
    sms_url: str | None = None,
) -> flask.Flask:
    """The sandbox as a WSGI application, its notifier running; `extensions["notifier"]` can be stopped,
    and then `extensions["store"]` closed.

    The state is kept in the file `path`, or in memory when that is None; `clock` tells the mall's Unix seconds. Events
    of WeChat's are told to `messages_url`, receipts of SMS and replies to `sms_url`/VENDOR, where there is one.
    """
    world = World(keys, Store(path), clock, messages_url=messages_url, sms_url=sms_url)
    app = flask.Flask("sandbox")
    app.json.sort_keys = False  # type: ignore[attr-defined]

    only_from_here(app, "/_control/")

    @app.before_request
    def fault() -> Any:
        return None if flask.request.path.startswith("/_control/") else faults.before(world)

    @app.after_request
    def sign(response: flask.Response) -> flask.Response:
        defect = faults.after()
        path = flask.request.path
        if path.startswith("/v3/") and not path.startswith("/v3/billdownload/"):
            headers = world.signer.headers(response.get_data(), world.clock(), defect)
            signed = 200 <= response.status_code < 300
            response.headers.update(headers if signed else {"Request-ID": headers["Request-ID"]})
        return response

    app.register_blueprint(pay.blueprint(world))
    app.register_blueprint(mini.blueprint(world))
    app.register_blueprint(oa.blueprint(world))
    app.register_blueprint(content.blueprint(world))
    app.register_blueprint(templates.blueprint(world))
    app.register_blueprint(sends.blueprint(world))
    app.register_blueprint(sms.blueprint(world))
    app.register_blueprint(ads.blueprint(world))
    app.register_blueprint(files.blueprint(world, Folder(None if path is None else path.parent / "files")))
    app.register_blueprint(control.blueprint(world))
    app.extensions["store"] = world.store
    app.extensions["notifier"] = notifier = Notifier(world)
    notifier.start()
    return app
