"""What channels owe to later."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import OUTSIDE, handles

#: A paid order of a live room is counted there.
COUNT_SALE = handles("channels.count_sale", "chalicelib.customers.channels.rooms.service:count_sale")
#: An ad platform is told of what a click on its advertisement has brought.
REPORT_AD = handles("channels.report_ad", "chalicelib.customers.channels.ads.service:report", OUTSIDE)
