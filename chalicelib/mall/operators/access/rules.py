"""What counts as one guesser, how long guessers wait, and which passwords nobody may choose. Pure."""

from __future__ import annotations

import ipaddress
from itertools import pairwise

from chalicelib.core.errors import Reason
from chalicelib.mall.operators.access.common_passwords import COMMON
from chalicelib.mall.operators.refusals import COMMON_PASSWORD, HAS_NAME, TOO_SIMPLE

#: Failures that a known browser is good for; then it counts as any other.
DEVICE_FAILURES_MAX = 5
#: Failures in a row that the log lists one by one; further ones it counts.
LISTED_IN_A_ROW = 5
#: The same, of all addresses together: failures under a name on one day.
LISTED_A_DAY = 100

#: Failures under a name, from all addresses together, that make guessers wait; each as many more double the wait.
_CROWD = 20
_CROWD_SECONDS, _CROWD_SECONDS_MAX = 30, 600
#: What a name must leave of a password that it stands in, where it is short.
_NAME_LENGTH_MIN, _WITHOUT_NAME_MIN = 4, 8
#: Characters that follow each other on a keyboard, in the alphabet, in numbers.
_ROWS = ("01234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = frozenset(pair for row in _ROWS for way in (row, row[::-1]) for pair in pairwise(way))
_DISTINCT_MIN = 5


def network(address: str) -> str:
    """Give what of an address is one guesser: an IPv4 address, of IPv6 its /64, which one household has whole."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(known, ipaddress.IPv6Address):
        if known.ipv4_mapped is None:
            return str(ipaddress.ip_network((int(known) >> 64 << 64, 64)).network_address)
        known = known.ipv4_mapped
    return str(known)


def crowd_seconds(failures: int) -> int:
    """Say how long an address waits from its second failure on, when all together had so many: up to 600 s."""
    rounds = failures // _CROWD
    return 0 if rounds <= 0 else min(_CROWD_SECONDS * 2 ** min(rounds - 1, 10), _CROWD_SECONDS_MAX)


def is_listed(in_a_row: int, on_this_day: int) -> bool:
    """Whether the log has an entry of this failure alone, or counts it with others of its hour."""
    return in_a_row <= LISTED_IN_A_ROW and on_this_day <= LISTED_A_DAY


def password_fault(password: str, name: str) -> Reason | None:
    """Say why an operator of that name may not have that password, or None: it is common, simple, or has the name."""
    folded, owner = password.casefold().strip(), name.casefold()
    if folded in COMMON:
        return COMMON_PASSWORD
    left = folded.replace(owner, "") if owner else folded
    if left != folded and (len(owner) >= _NAME_LENGTH_MIN or len(left) < _WITHOUT_NAME_MIN):
        return HAS_NAME
    return TOO_SIMPLE if _is_simple("".join(folded.split())) else None


def _is_simple(text: str) -> bool:
    """Few characters, a part that comes again and again, or runs such as 1234 of four characters on average."""
    if len(set(text)) < _DISTINCT_MIN:
        return True
    half = len(text) // 2
    if any(text == (text[:period] * len(text))[: len(text)] for period in range(1, half + 1)):
        return True
    runs = 1 + sum(first != second and (first, second) not in _NEIGHBOURS for first, second in pairwise(text))
    return runs * 4 <= len(text)
