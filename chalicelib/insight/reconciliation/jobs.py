"""What reconciliation owes to later, and every day."""

from __future__ import annotations

from datetime import time

from chalicelib.platform.jobs.declarations import OUTSIDE, daily, handles

#: WeChat's bills are ready from 09:00, and are to be fetched after 10:00.
OWE_RUNS = daily("reconciliation.owe_runs", "chalicelib.insight.reconciliation.service:owe_runs", at=time(10, 5))
COMPARE_DAY = handles("reconciliation.compare_day", "chalicelib.insight.reconciliation.service:compare_day", OUTSIDE)
CHECK_DAY = handles("reconciliation.check_day", "chalicelib.insight.reconciliation.ledger_checks.service:check_day")
