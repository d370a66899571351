"""What events owe to later."""

from __future__ import annotations

from datetime import time

from chalicelib.platform.jobs.declarations import OUTSIDE, daily

#: DynamoDB writes a day's events to the merchant's bucket, where there is one: an hour of little business.
EXPORT = daily("events.export", "chalicelib.customers.events.lake.service:export", time(4, 20), OUTSIDE)
