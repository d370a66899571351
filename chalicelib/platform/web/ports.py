"""What the HTTP edge asks of the wing that knows the members; app.py registers it."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.platform.web.tokens import Token

#: Raises `unauthenticated` for a member's token that is no longer good, or whose member is gone.
Gate = Callable[[Token], None]

_gate: Gate | None = None


def register_gate(gate: Gate) -> None:
    """Have members' tokens admitted by `gate` from now on."""
    global _gate
    _gate = gate


def admit(token: Token) -> None:
    """Let a member's token in. Raises `unauthenticated` where it was called in, and RuntimeError where nobody has
    registered who knows."""
    if _gate is None:
        raise RuntimeError("nobody has registered who admits members")
    _gate(token)
