"""Where secrets are kept is silent, not there, or does not have one: who asks is told to come again, and what is owed
waits."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from chalicelib.core import settings
from chalicelib.platform.jobs import worker
from local.client import in_process
from local.clock import LocalClock
from local.jobs import forget_all
from tests.support.jobs import Work, counts
from tests.support.operators import Browser

WHERE = "yutang/prod/secret"
KEPT = f"secretsmanager:{WHERE}"


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """The tests' own settings again, afterwards."""
    before = settings._environment
    settings.use({**before, "YUTANG_TOKEN_KEYS": KEPT, "YUTANG_WECHAT_SECRET": KEPT})
    yield
    settings.use(before)


def is_at(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{port}")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Takes every connection and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as store:
        is_at(store.getsockname()[1], monkeypatch)
        yield


@pytest.fixture
def nobody_there(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuses every connection."""
    with socket.socket() as store:
        store.bind(("127.0.0.1", 0))  # and does not listen
        is_at(store.getsockname()[1], monkeypatch)
        yield


class _Without(BaseHTTPRequestHandler):
    """Secrets Manager, without any secret."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"__type": "ResourceNotFoundException", "Message": "No such secret."}'
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Is there, and does not have the secret."""
    with HTTPServer(("127.0.0.1", 0), _Without) as store:
        threading.Thread(target=store.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        is_at(store.server_port, monkeypatch)
        yield
        store.shutdown()


def asked() -> None:
    """Ask as somebody who has logged in."""
    answer = in_process()("GET", "/v1/me", {"Authorization": "Bearer of-an-environment-before"}, None)
    assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "unavailable", "2")


def test_who_asks_while_the_store_is_silent_is_told_within_seconds_to_come_again(silent: None, dynamodb: str) -> None:
    begun = time.monotonic()
    asked()
    assert time.monotonic() - begun < 8.5  # two of them one after the other, and much else, within a function's 29


def test_while_nobody_is_there_it_is_the_same_and_the_log_says_which_secret(
    nobody_there: None, dynamodb: str, log_lines: list[dict[str, Any]]
) -> None:
    asked()
    (line,) = [line for line in log_lines if line["event"].startswith("secret")]
    assert (line["level"], line["where"], line["reason"]) == ("warning", WHERE, "EndpointConnectionError")


def test_one_that_was_never_made_is_an_error_in_the_log_and_no_500(
    without: None, dynamodb: str, log_lines: list[dict[str, Any]]
) -> None:
    asked()
    (line,) = [line for line in log_lines if line["level"] == "error"]
    assert (line["event"], line["where"], line["reason"]) == ("secret_refused", WHERE, "ResourceNotFoundException")


def test_nobody_is_logged_out_by_it(without: None, dynamodb: str) -> None:
    """A cookie whose signature nobody can check is neither good nor bad."""
    browser = Browser()
    browser.cookies["yutang"] = "of-an-environment-before"
    browser.post("/v1/admin/session/refresh").refused(503, "unavailable")
    assert browser.told == []


@pytest.mark.parametrize("store", ["nobody_there", "without"])
def test_a_job_that_needs_it_waits_and_does_not_die(
    store: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, dynamodb: str, mall_clock: LocalClock
) -> None:
    request.getfixturevalue(store)
    monkeypatch.setattr(settings, "_TRIES", 1)  # the client would wait before the second
    forget_all()
    work = Work(lambda _: settings.secret("wechat_secret") and None)
    work.owe("a")
    for _ in range(worker.ATTEMPTS_MAX + 1):
        assert worker.run_due() == 1
        mall_clock.advance(worker.BACKOFF_SECONDS_MAX + 1)
    assert counts() == (1, 0, 0)
    settings.use({**settings._environment, "YUTANG_WECHAT_SECRET": "of the mini-program"})
    assert (worker.run_due(), counts()) == (1, (0, 0, 0))
