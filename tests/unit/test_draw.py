"""The draw of a lottery can be checked by a stranger, and a tampered one is found out."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import ids
from chalicelib.growth.groupbuy.lottery import rules as draw
from local.processes import ROOT

SCRIPT = ROOT / "docs" / "verify_draw.py"
ORDERS = [f"o{number:03}" for number in range(7)]
ACTIVITY = "5e" * 32


def lobby_proof(**changes: Any) -> dict[str, Any]:
    secret = draw.lobby_secret(ACTIVITY, "lobby")
    won = draw.winners(secret, ORDERS, 2)
    proof = {
        "activity_id": "activity", "lobby_id": "lobby", "secret_hash": draw.secret_hash(secret), "winners_count": 2,
        "secret": secret, "orders": ORDERS, "winners": won,
    }  # fmt: skip
    return proof | changes


def activity_proof(**changes: Any) -> dict[str, Any]:
    proof = {"activity_id": "activity", "secret_hash": draw.secret_hash(ACTIVITY), "winners_count": 0}
    return proof | {"secret": ACTIVITY} | changes


def verify(tmp_path: Path, *proofs: Any) -> tuple[int, str]:
    """What the published script says of these proofs, run as a stranger would."""
    files = [tmp_path / f"{number}.json" for number in range(len(proofs))]
    for file, proof in zip(files, proofs, strict=True):
        file.write_text(json.dumps(proof))
    done = subprocess.run([sys.executable, "-I", SCRIPT, *files], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_fair_draw_is_verified(tmp_path: Path) -> None:
    assert verify(tmp_path, lobby_proof()) == (0, "as published: 7 orders took part\n")
    assert verify(tmp_path, lobby_proof(), activity_proof())[0] == 0


OTHER = [order for order in ORDERS if order not in lobby_proof()["winners"]]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"winners": OTHER[:2]}, "the winners do not follow"),
        ({"winners": lobby_proof()["winners"][::-1]}, "the winners do not follow"),
        ({"winners": lobby_proof()["winners"][:1]}, "the winners do not follow"),
        ({"orders": [*ORDERS, *lobby_proof()["winners"]]}, "an order takes part twice"),
        ({"orders": [order for order in ORDERS if order != lobby_proof()["winners"][0]]}, "the winners do not follow"),
        ({"secret": "00" * 32}, "the secret is not the one"),
        ({"secret_hash": "00" * 32}, "the secret is not the one"),
    ],
)  # fmt: skip
def test_a_tampered_draw_is_found_out(changes: dict[str, Any], why: str, tmp_path: Path) -> None:
    status, said = verify(tmp_path, lobby_proof(**changes))
    assert status == 1
    assert why in said


def test_a_lobby_whose_secret_was_not_fixed_at_the_opening_is_found_out(tmp_path: Path) -> None:
    status, said = verify(tmp_path, lobby_proof(), activity_proof(secret="77" * 32))
    assert status == 1
    assert "was not made from the activity's" in said
    assert "the activity's secret is not the one" in said


def test_what_is_not_drawn_yet_or_no_proof_is_neither_fair_nor_unfair(tmp_path: Path) -> None:
    undrawn = {name: value for name, value in lobby_proof().items() if name not in ("secret", "orders", "winners")}
    assert verify(tmp_path, undrawn)[0] == 2
    assert verify(tmp_path, {"code": "not_found"})[0] == 2
    assert verify(tmp_path, lobby_proof(orders=None))[0] == 2
    assert verify(tmp_path, [])[0] == 2


@contextmanager
def published(pages: list[dict[str, Any]]) -> Iterator[str]:
    """The address of a proof with these pages, the first of which asks for the second by "?cursor=1"."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            number = int(self.path.partition("?cursor=")[2] or "0")
            more = {"next_cursor": str(number + 1)} if number + 1 < len(pages) else {}
            body = json.dumps(pages[number] | more).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/group-activities/activity/draw"
    finally:
        server.shutdown()
        server.server_close()


def at_address(address: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-I", SCRIPT, address], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_all_pages_of_a_proof_are_read_from_its_address(tmp_path: Path) -> None:
    pages = [lobby_proof(orders=ORDERS[at : at + 3]) for at in (0, 3, 6)]
    with published(pages) as address:
        assert at_address(address) == (0, "as published: 7 orders took part\n")
    with published(pages[:1]) as address:
        assert at_address(address)[0] == 1, "the orders of a page are not those of the draw"
    with published([pages[0], lobby_proof(orders=ORDERS[3:], winners=ORDERS[:2])]) as address:
        assert at_address(address) == (2, "this is no proof of a draw: its pages are not of one draw\n")
    assert verify(tmp_path, pages[0] | {"next_cursor": "1"})[0] == 2


@given(st.integers(0, 500))
def test_every_order_of_a_draw_is_in_exactly_one_of_a_few_chains(count: int) -> None:
    order_ids = [f"o{number:03}" for number in range(count)]
    shared = draw.chains(order_ids)
    assert len(shared) == min(draw.CHAINS_MAX, -(-count // draw.CHAIN_STEP))
    parts = [[one for one in order_ids if after < one <= last] for after, last in shared]
    assert [one for part in parts for one in part] == order_ids
    assert max((len(part) for part in parts), default=0) <= max(draw.CHAIN_STEP, -(-count // draw.CHAINS_MAX))


orders = st.lists(st.text("abcdefghij234567", min_size=3, max_size=8), min_size=1, max_size=30, unique=True)


@given(orders, st.integers(1, 40), st.binary(min_size=8, max_size=8))
def test_winners_are_among_those_who_take_part_each_once_in_whatever_order_they_came(
    orders: list[str], count: int, seed: bytes
) -> None:
    won = draw.winners(seed.hex(), orders, count)
    assert len(won) == len(set(won)) == min(count, len(orders))
    assert set(won) <= set(orders)
    assert draw.winners(seed.hex(), sorted(orders), count) == won
    assert draw.winners(seed.hex(), orders, len(orders))[: len(won)] == won


def test_every_order_has_the_same_chance() -> None:
    """4000 draws of one of four: each wins about a thousand times (five standard deviations are 137)."""
    wins = dict.fromkeys(ORDERS[:4], 0)
    for number in range(4000):
        wins[draw.winners(ids.digest(str(number).encode()), ORDERS[:4], 1)[0]] += 1
    assert all(abs(won - 1000) < 137 for won in wins.values()), wins
