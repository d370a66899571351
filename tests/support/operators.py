"""Operators for tests in this process."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from typing import Any

from chalicelib.mall.operators.second_factor.rules import STEP_SECONDS, code_at, secret_of
from local.client import Answer, Client, _stated

NAME, SECOND = "owner-of-tests", "second-owner-of-tests"


def owner_token() -> str:
    """The token of an owner whom no other test changes; good for as long as any test moves the clock."""
    return _token(NAME)


def second_token() -> str:
    """The same, of another owner."""
    return _token(SECOND)


def _token(name: str) -> str:
    from chalicelib.core import clock
    from chalicelib.mall.operators import queries as operator_queries
    from chalicelib.mall.operators import service
    from chalicelib.platform.web import tokens

    if (
        operator_queries.find(name) is None
    ):  # else made by an earlier test: to hash a password takes a tenth of a second
        before = clock.use(lambda: 0.0)  # tokens are good from then on, whether this test has moved the clock or not
        service.bootstrap("first", "long-enough-1")
        service.create(name, "long-enough-2", ["owner"])
        clock.use(before)
    return tokens.issue("operator", name, clock.now() + timedelta(days=36500))


def appointed(owner: Client, role: str) -> Client:
    """Another operator, of that role."""
    from chalicelib.core import clock
    from chalicelib.mall.operators import service
    from chalicelib.platform.web import tokens

    name = f"{role}-{secrets.token_hex(6)}"
    service.create(name, "long enough for anyone", [role])
    return Client(owner.send, tokens.issue("operator", name, clock.now() + timedelta(days=36500)))


class Browser:
    """A browser at an address, with cookies of its own, which a test may look at and take away."""

    def __init__(self, address: str = "192.0.2.1", origin: str = "http://localhost") -> None:
        from werkzeug.test import Client as WsgiClient

        from app import app, operators
        from local.serve import gateway

        self.address, self.origin, self.token = address, origin, ""
        self.cookies: dict[str, str] = {}
        #: Set-Cookie headers of the last answer.
        self.told: list[str] = []
        self._client = WsgiClient(gateway(app, operators), use_cookies=False)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request from a page of `origin`, with the token where there is one, and keep the cookies it sets."""
        given = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        given |= {"Origin": self.origin} if self.origin else {}
        given |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        raw = None if body is None else json.dumps(body).encode()
        reply = self._client.open(
            path, method=method, headers=given | headers, data=raw, environ_overrides={"REMOTE_ADDR": self.address}
        )
        self.told = reply.headers.getlist("Set-Cookie")
        for cookie in self.told:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies.pop(name, None)
            if "Max-Age=0" not in cookie:
                self.cookies[name] = value
        answer = Answer(reply.status_code, {k.lower(): v for k, v in reply.headers.items()}, reply.data)
        if answer.status >= 400:
            _stated(method, path.partition("?")[0], answer.json["code"])
        return answer

    def post(self, path: str, body: Any = None) -> Answer:
        """Send a POST, by default of an empty object."""
        return self.call("POST", path, {} if body is None else body)

    def log_in(self, name: str, password: str, **totp: str) -> Answer:
        """Log in; the token is the browser's where that succeeds."""
        answer = self.post("/v1/admin/login", {"name": name, "password": password, **totp})
        if answer.status == 200:
            self.token = answer.json["token"]
        return answer


class Authenticator:
    """An app on a phone that shows codes; made from what the mall says when a second factor is set up."""

    def __init__(self, secret: str) -> None:
        self.secret = secret_of(secret)

    def code(self, steps: int = 0) -> str:
        """Show the code of now by the mall's clock, or of so many steps later."""
        from chalicelib.core import clock

        return code_at(self.secret, clock.unix() // STEP_SECONDS + steps)
