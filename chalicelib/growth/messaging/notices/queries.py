"""Whether templates can be those of notices."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.core.errors import FieldError, MallError, invalid
from chalicelib.growth.messaging.notices.rules import KINDS, VARS, Kind
from chalicelib.growth.messaging.queries import fresh_template
from chalicelib.growth.messaging.refusals import NO_SUCH_TEMPLATE, NOTICE_HAS_NO_SUCH_VAR, NOTICES_ARE_TRANSACTIONAL


def check_templates(named: Mapping[str, str]) -> None:
    """Raise `invalid` for the kinds whose template there is not, is of another purpose, or has variables that a notice
    of that kind does not fill."""
    faults = [_fault(kind, named[kind]) for kind in KINDS if named[kind]]
    if found := tuple(fault for fault in faults if fault is not None):
        raise invalid(*found)


def _fault(kind: Kind, template_id: str) -> FieldError | None:
    try:
        template = fresh_template(template_id)
    except MallError as fault:
        if fault.code != "not_found":
            raise
        return NO_SUCH_TEMPLATE.at(kind)
    if template.purpose != "transactional":
        return NOTICES_ARE_TRANSACTIONAL.at(kind)
    unknown = [name for name in template.vars if name not in VARS[kind]]
    return NOTICE_HAS_NO_SUCH_VAR.at(kind, unknown=unknown, known=VARS[kind]) if unknown else None
