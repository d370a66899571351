"""Operators: what the mall's settings are, and changing them. app.py has loaded the sections of all wings before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.core.errors import MallError
from chalicelib.core.refusals import NO_SUCH
from chalicelib.mall.settings import service
from chalicelib.mall.settings.inputs import SettingsQuery
from chalicelib.mall.settings.views import AllSettings
from chalicelib.platform.web.endpoint import OPERATOR, endpoint


@endpoint("GET /v1/admin/settings", OPERATOR, permission="settings.read")
def list_settings() -> AllSettings:
    """All settings that change while the mall runs."""
    return AllSettings(service.everything())


def _expose(section: service.Section[Any]) -> None:
    """Declare GET and PUT /v1/admin/settings/<section>, typed by the section's struct."""

    def read(query: SettingsQuery) -> Any:
        found = section.fresh() if query.version is None else section.at(query.version)
        if found is None:
            raise MallError("not_found", errors=(NO_SUCH.at("version"),))
        return found

    def change(body: Any) -> Any:
        return section.change(body)

    path = f"/v1/admin/settings/{section.name}"
    types = {"query": SettingsQuery, "return": section.struct}
    _name(read, f"read_{section.name}", f"The settings of {section.name}.", types)
    _name(change, f"change_{section.name}", _CHANGE, {"body": section.struct, "return": section.struct})
    endpoint(f"GET {path}", OPERATOR, permission="settings.read", errors=("not_found",))(read)
    # The wing that obeys the section has the names of its fields.
    fields_of = section.struct.__module__
    declare = endpoint(
        f"PUT {path}", OPERATOR, permission="settings.write", errors=("conflict", "invalid"), fields_of=fields_of
    )
    declare(change)


_CHANGE = """Replace the settings of this section.

What is left out goes back to its default. They hold for what happens from a moment later on.
"""


def _name(handler: Callable[..., Any], name: str, documentation: str, types: dict[str, Any]) -> None:
    handler.__name__ = name
    handler.__doc__ = documentation
    handler.__annotations__ = types


for _section in service.SECTIONS.values():
    _expose(_section)
