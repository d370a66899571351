"""What channels ask of the wings above: whether a token is one of a link that the mall has made, and whether a member
has bought before; and of an ad platform: that it hears what its advertisements have brought.

app.py registers who answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from chalicelib.customers.channels.ads.rules import Conversion

#: Whether the mall has made a link, or an invite code, of this token.
Links = Callable[[str], bool]
#: Whether the member has an order that is paid and not refunded whole.
Buyers = Callable[[str], bool]

_links: Links | None = None
_buyers: Buyers | None = None


def register_links(is_known: Links) -> None:
    """Let this say from now on which links are the mall's."""
    global _links
    _links = is_known


def is_link(token: str) -> bool:
    """Tell whether the token is one of a link of the mall's. Raises RuntimeError when nobody was registered."""
    if _links is None:
        raise RuntimeError("no wing has registered its links")
    return _links(token)


def register_buyers(has_bought: Buyers) -> None:
    """Let this say from now on who has bought before."""
    global _buyers
    _buyers = has_bought


def has_bought(member_id: str) -> bool:
    """Tell whether the member has bought before. Raises RuntimeError when nobody was registered."""
    if _buyers is None:
        raise RuntimeError("no wing has registered who has bought")
    return _buyers(member_id)


class AdReport(Protocol):
    """An ad platform that is told of conversions."""

    def report(self, conversion: Conversion) -> None:
        """Tell of it; told again under its number, it is the same. Raises OutsideError."""


_ad_report: AdReport | None = None


def register_ad_report(report: AdReport) -> None:
    """Tell this platform from now on."""
    global _ad_report
    _ad_report = report


def ad_report() -> AdReport:
    """The registered platform. Raises RuntimeError when none was registered."""
    if _ad_report is None:
        raise RuntimeError("no ad platform was registered")
    return _ad_report
