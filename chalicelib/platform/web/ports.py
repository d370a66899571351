"""What the HTTP edge asks of the wing that knows the members; app.py registers it."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.platform.web.tokens import Token

#: Gives who calls with a member's token: the member that it was made for, or the one who that is by now. Raises
#: `unauthenticated` for a token that is no longer good, or whose member is gone.
Gate = Callable[[Token], str]

_gate: Gate | None = None


def register_gate(gate: Gate) -> None:
    """Have members' tokens admitted by `gate` from now on."""
    global _gate
    _gate = gate


def admit(token: Token) -> str:
    """Let a member's token in, and give the member who calls. Raises `unauthenticated` where it was called in, and
    RuntimeError where nobody has registered who knows."""
    if _gate is None:
        raise RuntimeError("nobody has registered who admits members")
    return _gate(token)
