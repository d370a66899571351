"""Operators: what the mall's settings are, and changing them. Imported after the wings, whose sections these are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from chalicelib.shop import service
from chalicelib.web.endpoint import OPERATOR, endpoint


class AllSettings(msgspec.Struct):
    """Every section, by name."""

    sections: dict[str, Any]


@endpoint("GET /v1/admin/settings", OPERATOR, permission="settings.read")
def list_settings() -> AllSettings:
    """All settings that change while the mall runs."""
    return AllSettings(service.everything())


def _expose(section: service.Section[Any]) -> None:
    """Declare GET and PUT /v1/admin/settings/<section>, typed by the section's struct."""

    def read() -> Any:
        return section.fresh()

    def change(body: Any) -> Any:
        return section.change(body)

    path = f"/v1/admin/settings/{section.name}"
    _name(read, f"read_{section.name}", f"The settings of {section.name}.", {"return": section.struct})
    _name(change, f"change_{section.name}", _CHANGE, {"body": section.struct, "return": section.struct})
    endpoint(f"GET {path}", OPERATOR, permission="settings.read")(read)
    endpoint(f"PUT {path}", OPERATOR, permission="settings.write", errors=("conflict", "invalid"))(change)


_CHANGE = """Replace the settings of this section.

What is left out goes back to its default. They hold for what happens from a moment later on.
"""


def _name(handler: Callable[..., Any], name: str, documentation: str, types: dict[str, Any]) -> None:
    handler.__name__ = name
    handler.__doc__ = documentation
    handler.__annotations__ = types


for _section in service.SECTIONS.values():
    _expose(_section)
