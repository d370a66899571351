"""Who may talk to the controls of a local mall: programs of this machine, and no page in its browser.

A browser sends a simple POST anywhere; so a page from elsewhere could move the mall's clock. It names itself as the
Origin, or, where its name was made to point here, as the Host.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import flask

HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def only_from_here(app: flask.Flask, below: str = "/") -> None:
    """Refuse requests to paths that begin with `below` and come from a page of elsewhere, with a 403."""

    @app.before_request
    def look() -> tuple[dict[str, str], int] | None:
        asked = flask.request
        if not asked.path.startswith(below):
            return None
        named = [f"//{asked.headers.get('Host', '')}", *asked.headers.getlist("Origin")]
        if all(_host(address) in HOSTS for address in named):
            return None
        return {"message": "only programs of this machine may ask this"}, 403


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
