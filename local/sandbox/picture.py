"""A square picture made of nothing but a text: what the sandbox has for a mini-program code."""

from __future__ import annotations

import hashlib
import struct
import zlib

_CELLS = 21


def png(text: str, pixels: int) -> bytes:
    """A grey PNG of `pixels` by `pixels`, black and white cells drawn by the digest of `text`."""
    digest = hashlib.shake_256(text.encode()).digest(_CELLS * _CELLS)
    cell_of = [pixel * _CELLS // pixels for pixel in range(pixels)]
    rows = [bytes(255 * (digest[row * _CELLS + column] & 1) for column in cell_of) for row in range(_CELLS)]
    image = b"".join(b"\0" + rows[row] for row in cell_of)  # each line says first that it is not filtered
    header = struct.pack(">IIBBBBB", pixels, pixels, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(image)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
