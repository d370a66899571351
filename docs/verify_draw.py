"""Checks the draw of a group-buy lottery. Needs nothing but Python 3.

    python verify_draw.py https://<the mall>/v1/group-activities/<activity>/draw
    curl -s https://<the mall>/v1/lobbies/<lobby>/draw | python verify_draw.py
    python verify_draw.py proof [activity_proof]

A proof is an address, of which all pages are read, or a file with an answer that is the whole proof. The second is that
of the whole activity (.../v1/group-activities/<activity>/draw), which shows after its end that the secrets of its
lobbies were fixed when the activity opened. Exit status: 0 it was fair, 1 it was not, 2 it has not been drawn, or this
is no whole proof. The recipe is in lottery.md.
"""

import hashlib
import hmac
import json
import sys
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen


def mac(secret, text):
    """HMAC-SHA256 in hexadecimal."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def faults(proof, activity=None):
    """What is wrong with a proof; nothing, when everything follows from the secret."""
    found = []
    if hashlib.sha256(proof["secret"].encode()).hexdigest() != proof["secret_hash"]:
        found.append("the secret is not the one whose hash was published")
    if len(set(proof["orders"])) != len(proof["orders"]):
        found.append("an order takes part twice")
    ranked = sorted(proof["orders"], key=lambda order: mac(proof["secret"], order))
    if ranked[: proof["winners_count"]] != proof["winners"]:
        found.append("the winners do not follow from the secret and the orders")
    if activity is not None:
        if hashlib.sha256(activity["secret"].encode()).hexdigest() != activity["secret_hash"]:
            found.append("the activity's secret is not the one whose hash was published")
        if mac(activity["secret"], proof["lobby_id"]) != proof["secret"]:
            found.append("the lobby's secret was not made from the activity's")
    return found


def read(name):
    """The proof in a file, or at an address: there with the orders of all its pages."""
    if not name.startswith(("http://", "https://")):
        return json.loads(Path(name).read_text(encoding="utf-8"))
    proof, orders, cursor = {}, [], ""
    while cursor is not None:
        with urlopen(f"{name}?cursor={quote(cursor)}" if cursor else name, timeout=30) as answer:  # noqa: S310 - begins with http
            page = json.load(answer)
        if proof and any(page[field] != proof[field] for field in ("secret", "secret_hash", "winners")):
            raise ValueError("its pages are not of one draw")
        proof = page
        orders += page.get("orders", [])
        cursor = page.get("next_cursor")
    return {**proof, "orders": orders}


def main(arguments):
    """Read the proofs, and say; the exit status."""
    try:
        files = [read(name) for name in arguments] or [json.load(sys.stdin)]
        if any(not proof.get("secret") for proof in files):
            print("not drawn yet: only the hash of the secret is published")
            return 2
        if any(proof.get("next_cursor") for proof in files):
            print("only a page of the proof: name its address, and all of them are read")
            return 2
        # What an answer leaves out is empty.
        found = faults({"orders": [], "winners": [], **files[0]}, *files[1:2])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        print(f"this is no proof of a draw: {fault}")
        return 2
    for what in found:
        print(what)
    print("NOT as published" if found else f"as published: {len(files[0].get('orders', []))} orders took part")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
