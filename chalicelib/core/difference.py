"""What an audit finds. The audits themselves are rooms of the wings whose books they hold against each other."""

from __future__ import annotations

import msgspec


class Difference(msgspec.Struct, frozen=True):
    """Two accounts of one thing that do not agree."""

    about: str
    what: str
