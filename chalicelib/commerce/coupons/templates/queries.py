"""Reads of coupon templates: one, those on offer or for a segment, a page of all, and what became of their coupons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chalicelib.commerce.coupons.refusals import NO_SUCH_TEMPLATE
from chalicelib.commerce.coupons.rules import Figures, How, Template
from chalicelib.commerce.coupons.stock.queries import CACHE
from chalicelib.commerce.coupons.tables import ALL, PUBLISHED, CouponCounters, CouponTemplates, stock_key, used_key
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.platform.store import cache, cursors, read
from chalicelib.platform.store.versioned import Versioned

_LISTING = "coupon-templates"


def load(template_id: str) -> Versioned[Template]:
    """Find the template as it is now. Raises `not_found`."""
    item = read.get(CouponTemplates, template_id)
    if item is None:
        raise MallError("not_found", errors=(NO_SUCH_TEMPLATE.at("template_id"),))
    return Versioned(item.template, int(item.version))


def is_there(template_id: str) -> bool:
    """Say whether there is a template of this id."""
    return read.get_raw(CouponTemplates, template_id) is not None


def remembered(template_id: str) -> Template:
    """Find the template, possibly a second old. Raises `not_found`."""
    return cache.remember((CACHE, "template", template_id), lambda: load(template_id).value)


def refreshed(template_id: str) -> Template:
    """Find the template as it is now, and remember it from now on. Raises `not_found`."""
    return cache.keep((CACHE, "template", template_id), load(template_id).value)


def offered(how: How) -> list[Template]:
    """List the templates that can be got in this way now, the newest first; possibly a second old."""
    now = clock.now()
    found = [each for each in cache.remember((CACHE, "offered"), _published) if how in each.how]
    return [each for each in found if each.is_offered(now)]


def page(limit: int, cursor: str | None) -> tuple[list[Template], str | None]:
    """Read a page of all templates, the newest first; and the cursor of the next page."""
    after = cursors.read(_LISTING, cursor)
    index = CouponTemplates.by_age
    items, rest = read.query(CouponTemplates, ALL, index=index, forward=False, limit=limit, after=after)
    return [CouponTemplates.from_raw_data(raw).template for raw in items], cursors.write(_LISTING, rest)


def naming_segment(segment_id: str) -> list[tuple[str, str]]:
    """List the templates for members of this segment that are not over, by id and name: whoever would delete the
    segment is told of them. From an index, so it may be a moment old."""
    return [(one.template_id, one.name) for one in not_over() if segment_id in one.audience.segments]


def naming_tag(tag: str) -> list[tuple[str, str]]:
    """List the templates for members with this tag that are not over, as `naming_segment` does."""
    return [(one.template_id, one.name) for one in not_over() if tag in one.audience.tags]


def not_over() -> Iterator[Template]:
    """List the templates that are not over, from an index."""
    now = clock.now()
    found = (item.template for item in read.query_all(CouponTemplates, ALL, index=CouponTemplates.by_age))
    return (one for one in found if not one.is_over(now))


def figures(templates: Sequence[Template]) -> list[Figures]:
    """Sum what became of the coupons of each template. What used ones took off is counted a moment after it happens."""
    places = [(each.template_id, shard) for each in templates for shard in range(each.shards)]
    found = read.batch_get([key(*place) for place in places for key in (stock_key, used_key)], consistent=False)
    sums: dict[str, Figures] = {each.template_id: Figures() for each in templates}
    for number, item in enumerate(found):
        template_id = places[number // 2][0]
        if item is not None:
            sums[template_id] = _added(sums[template_id], item)
    return [sums[each.template_id] for each in templates]


def _published() -> list[Template]:
    where = CouponTemplates.ends > clock.stamp(clock.now())
    items = read.query_all(CouponTemplates, PUBLISHED, index=CouponTemplates.by_offer, where=where)
    return sorted((item.template for item in items), key=lambda each: (each.created_at, each.template_id), reverse=True)


def _added(sums: Figures, item: CouponCounters) -> Figures:
    return Figures(
        issued=sums.issued + int(item.issued or 0),
        left=sums.left + int(item.free or 0),
        used=sums.used + int(item.used or 0),
        off_fen=sums.off_fen + int(item.off_fen or 0),
        paid_fen=sums.paid_fen + int(item.paid_fen or 0),
    )
