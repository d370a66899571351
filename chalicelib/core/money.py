"""Money is integer fen (1/100 yuan). Nothing here or above it ever holds a float amount."""

from __future__ import annotations

from collections.abc import Sequence

#: No price, payment or balance is larger: 10 million yuan. Keeps every sum far inside 64 bits.
FEN_MAX = 1_000_000_000


def split_fen(total_fen: int, weights: Sequence[int]) -> list[int]:
    """`total_fen` shared out over `weights` by the largest remainder: the parts add up to it, to the fen.

    Ties go to the earlier weight. All weights zero is treated as all equal; no weights is an error
    unless there is nothing to share.
    """
    if total_fen < 0 or any(weight < 0 for weight in weights):
        raise ValueError("a split needs amounts and weights of zero or more")
    if not weights:
        if total_fen:
            raise ValueError("nobody to split with")
        return []
    if not any(weights):
        weights = [1] * len(weights)
    whole = sum(weights)
    parts = [total_fen * weight // whole for weight in weights]
    remainders = [total_fen * weight % whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-remainders[index], index))
    for index in by_remainder[: total_fen - sum(parts)]:
        parts[index] += 1
    return parts


def refund_fen(paid_fen: int, pieces: int, refunded_pieces: int, refunded_fen: int, asked_pieces: int) -> int:
    """Say what `asked_pieces` more of a line give back: `paid_fen` for `pieces` in all, part of it refunded before.

    Whatever the order and size of the parts, all of them together give back exactly `paid_fen`.
    """
    after = refunded_pieces + asked_pieces
    if not 0 < asked_pieces <= pieces - refunded_pieces:
        raise ValueError("more pieces than are left")
    return max(0, paid_fen * after // pieces - refunded_fen)


def yuan(amount_fen: int) -> str:
    """`amount_fen` as people read it: 1234 -> "12.34"."""
    sign = "-" if amount_fen < 0 else ""
    return f"{sign}{abs(amount_fen) // 100}.{abs(amount_fen) % 100:02d}"
