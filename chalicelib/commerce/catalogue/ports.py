"""What the catalogue asks of a wing above: the freight templates that its products name (pricing).

The port is implemented by its wing and registered in app.py. Everything that an implementation does goes into the
product's own transaction, so that no product names a template that is not there.
"""

from __future__ import annotations

from typing import Protocol

from chalicelib.platform.store.transaction import Transaction


class FreightTemplates(Protocol):
    """What the wing above knows of how sending is charged."""

    def take_up(self, tx: Transaction, template_id: str) -> None:
        """Have a product name this template from now on, as part of `tx`, which is refused (`invalid`, naming
        `freight_template_id`) where there is none. Of this and a deletion of the template at once one succeeds."""


_freight_templates: FreightTemplates | None = None


def register_freight_templates(templates: FreightTemplates) -> None:
    """Let these answer from now on."""
    global _freight_templates
    _freight_templates = templates


def freight_templates() -> FreightTemplates:
    """Those that were registered."""
    if _freight_templates is None:
        raise RuntimeError("no wing has registered its freight templates")
    return _freight_templates
