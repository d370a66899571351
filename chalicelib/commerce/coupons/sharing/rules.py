"""The token by which a member shares a template. Pure."""

from __future__ import annotations

from chalicelib.core import ids


def share_token(template_id: str, member_id: str) -> str:
    """Give the member's token for this template, always the same."""
    return ids.derived("s", template_id, member_id)
