"""The messages of a journey, held against their templates: whether they may go so, and their variables. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from chalicelib.core.errors import FieldError
from chalicelib.customers.events.plan.rules import Prop
from chalicelib.growth.journeys import refusals as why
from chalicelib.growth.journeys.steps.rules import Said
from chalicelib.growth.journeys.surroundings.rules import Place, Surroundings
from chalicelib.growth.messaging.rules import NO_MARKETING, Medium, Template

#: What may stand in a variable: the member's nickname; the name of the coupon that the run gave last; and what the
#: event said by which they came in ("{entered.order_id}").
PLACEHOLDERS = ("nickname", "coupon")
ENTERED = "entered."
#: Media by which nobody is reachable yet.
NOT_YET: tuple[Medium, ...] = ("wecom",)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def faults_of_message(place: Place, said: Said, there: Surroundings, entry: Mapping[str, Prop]) -> Iterator[FieldError]:
    """Find what is wrong with a message."""
    template = there.messages.get(said.template)
    if template is None:
        yield place.fault(why.MESSAGE_MISSING, named=said.template)
        media = list(said.media)
    else:
        if template.purpose != said.purpose:
            yield place.fault(why.PURPOSE_DIFFERS, purpose=template.purpose)
        yield from (
            place.fault(why.NOT_OF_TEMPLATE, medium=one) for one in said.media if one not in template.media
        )  # fmt: skip
        yield from (
            place.fault(why.VAR_NOT_OF_TEMPLATE, var=one) for one in said.vars if one not in template.vars
        )  # fmt: skip
        media = media_of(said, template)
    yield from _media_faults(place, said, media, there)
    for value in said.vars.values():
        for named in _PLACEHOLDER.findall(value):
            if named not in PLACEHOLDERS and not (named.startswith(ENTERED) and named[len(ENTERED) :] in entry):
                yield place.fault(why.NO_SUCH_PLACEHOLDER, named=f"{{{named}}}")


def media_of(said: Said, template: Template) -> list[Medium]:
    """Give the media of a message: those that it names, or else those of its template."""
    return list(said.media or template.media)


def _media_faults(place: Place, said: Said, media: list[Medium], there: Surroundings) -> Iterator[FieldError]:
    for medium in media:
        if said.purpose == "marketing" and medium in NO_MARKETING:
            yield place.fault(why.MARKETING_FORBIDDEN, medium=medium)
    named = [medium for medium in media if medium in said.media]
    yield from (place.fault(why.MEDIUM_NOT_YET, medium=one) for one in named if one in NOT_YET)
    if media and all(medium in there.off for medium in media):
        yield place.fault(why.MEDIUM_SWITCHED_OFF, medium=media[0])
    else:
        yield from (place.fault(why.MEDIUM_SWITCHED_OFF, medium=one) for one in named if one in there.off)
