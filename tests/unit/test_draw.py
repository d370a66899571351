"""The draw of a lottery can be checked by a stranger, and a tampered one is found out."""

from __future__ import annotations

import json
import subprocess
import sys
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
