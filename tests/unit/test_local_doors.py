"""Nobody but programs of this machine moves a local mall's clock, or plays its WeChat."""

from __future__ import annotations

import flask
import pytest

from local.doors import only_from_here

HERE = [{}, {"Origin": "http://127.0.0.1:8000"}, {"Origin": "http://localhost"}, {"Host": "[::1]:8002"}]
ELSEWHERE = [
    {"Host": "evil.example"}, {"Host": "evil.example:8002"}, {"Host": "127.0.0.1.evil.example"}, {"Host": ""},
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost.evil.example:8002"},
    {"Origin": "http://[broken"}, {"Host": "localhost", "Origin": "https://evil.example"},
]  # fmt: skip


def door(below: str) -> flask.Flask:
    app = flask.Flask("doors")
    only_from_here(app, below)

    @app.route("/_control/clock", methods=["GET", "POST"])
    @app.route("/v3/pay", methods=["GET", "POST"])
    def anything() -> str:
        return "moved"

    return app


@pytest.mark.parametrize("headers", HERE)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_program_of_this_machine_is_heard(headers: dict[str, str], method: str) -> None:
    assert door("/").test_client().open("/_control/clock", method=method, headers=headers).text == "moved"


@pytest.mark.parametrize("headers", ELSEWHERE)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_from_elsewhere_is_not(headers: dict[str, str], method: str) -> None:
    answer = (
        door("/")
        .test_client()
        .open("/_control/clock", method=method, headers=headers, data="{}", content_type="text/plain")
    )
    assert answer.status_code == 403
    assert "moved" not in answer.text


@pytest.mark.parametrize("headers", ELSEWHERE)
def test_only_the_controls_of_the_sandbox_ask_who_comes(headers: dict[str, str]) -> None:
    client = door("/_control/").test_client()
    assert client.post("/_control/clock", headers=headers).status_code == 403
    assert client.post("/v3/pay", headers=headers).status_code == 200
