"""Reads of members whom an operator lets come in."""

from __future__ import annotations

import msgspec

from chalicelib.core.errors import MallError
from chalicelib.growth.journeys.enrolling.rules import Enrolled, Enrolment, Part, enrolled
from chalicelib.growth.journeys.listening.tables import ALL, Journeys
from chalicelib.platform.store import read

_ENROLMENT = "enrol#"


def head_part(enrolment_id: str) -> str:
    """Name the part that says who is to come in."""
    return f"{_ENROLMENT}{enrolment_id}"


def listed_part(enrolment_id: str, number: int) -> str:
    """Name the part that says how far it is with some of them."""
    return f"{head_part(enrolment_id)}#{number:02}"


def find(enrolment_id: str) -> Enrolment | None:
    """Find who is to come in; None where nobody has asked for that."""
    item = None if "#" in enrolment_id else read.get(Journeys, ALL, head_part(enrolment_id))
    return None if item is None else msgspec.json.decode(item.document, type=Enrolment)


def part_of(enrolment_id: str, number: int) -> tuple[Part, str] | None:
    """Find how far it is with some of them, and as which text that is kept."""
    item = read.get(Journeys, ALL, listed_part(enrolment_id, number))
    return None if item is None else (msgspec.json.decode(item.document, type=Part), item.document)


def progress(journey_id: str, enrolment_id: str) -> Enrolled:
    """Say what has become of them by now. Raises `not_found`."""
    found = find(enrolment_id)
    if found is None or found.journey_id != journey_id:
        raise MallError("not_found")
    parts = [part_of(enrolment_id, number) for number in range(found.parts)]
    return enrolled(enrolment_id, [part for part, _ in (one for one in parts if one is not None)])
