"""How large the share of a sample makes the whole. Pure."""

from __future__ import annotations

import math

#: The normal distribution's bounds for 95 %.
_Z = 1.959963984540054


def interval(hits: int, sample: int, whole: int) -> tuple[int, int]:
    """Estimate how many of the whole something holds for, of which it does for so many of a sample: the bounds within
    which it is with 95 % (Wilson's interval: Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    if not sample:
        return 0, whole
    share = hits / sample
    middle = (share + _Z**2 / (2 * sample)) / (1 + _Z**2 / sample)
    half = _Z / (1 + _Z**2 / sample) * math.sqrt(share * (1 - share) / sample + _Z**2 / (4 * sample**2))
    low = max(hits, math.floor((middle - half) * whole))
    return low, min(whole - (sample - hits), math.ceil((middle + half) * whole))
