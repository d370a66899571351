"""Cookies of an operator's browser, and whose page a request comes from. Pure."""

from __future__ import annotations

from chalicelib.core import ids

#: A browser that has logged in is known for so long.
DEVICE_SECONDS = 180 * 86_400
#: A browser's token lives in its page's memory alone, and ends soon; its cookie brings the next one.
ACCESS_SECONDS = 15 * 60

_SESSION, _DEVICE = "yutang", "yutang-device"


def session_cookie(https: bool) -> str:
    """Name the cookie of a browser's session. `__Host-` has browsers refuse it from other hosts, paths and http."""
    return _named(_SESSION, https)


def device_cookie(name: str, https: bool) -> str:
    """Name the cookie of a browser in which this operator has logged in; those of several stand side by side."""
    return _named(f"{_DEVICE}-{ids.digest(name.encode())[:8]}", https)


def set_cookie(name: str, value: str, seconds: int, https: bool) -> str:
    """Write a Set-Cookie header: no script reads it, no other site sends it. Zero seconds take it away."""
    flags = f"Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict"
    return f"{name}={value}; {flags}; Secure" if https else f"{name}={value}; {flags}"


def cookie(header: str, name: str) -> str:
    """Read that cookie from a Cookie header; "" where it is not."""
    for part in header.split(";"):
        known_as, _, value = part.strip().partition("=")
        if known_as == name:
            return value
    return ""


def is_own_page(origin: str, host: str, https: bool) -> bool:
    """Whether a request was made by a page of the mall's own: its Origin is the host that it was sent to."""
    return bool(host) and origin.lower() == f"{'https' if https else 'http'}://{host.lower()}"


def _named(name: str, https: bool) -> str:
    return f"__Host-{name}" if https else name
