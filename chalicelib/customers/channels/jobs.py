"""What channels owe to later."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import handles

#: A paid order of a live room is counted there.
COUNT_SALE = handles("channels.count_sale", "chalicelib.customers.channels.rooms.service:count_sale")
