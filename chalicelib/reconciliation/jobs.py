"""What reconciliation owes to later, and every day."""

from __future__ import annotations

from datetime import time

from chalicelib.jobs.declarations import OUTSIDE, daily, handles

#: WeChat's bills are ready from 09:00, and are to be fetched after 10:00.
OWE_RUNS = daily("reconciliation.owe_runs", "chalicelib.reconciliation.service:owe_runs", at=time(10, 5))
COMPARE_DAY = handles("reconciliation.compare_day", "chalicelib.reconciliation.service:run_owed", OUTSIDE)
CHECK_DAY = handles("reconciliation.check_day", "chalicelib.reconciliation.books:audit_page")
