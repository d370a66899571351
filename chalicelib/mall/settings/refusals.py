"""The names of the fields that come in about settings; those of a section stand in its own wing. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels

FIELDS: Labels = {
    "version": "版本",
}
