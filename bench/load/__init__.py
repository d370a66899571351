"""The mall under load: over HTTP beside other malls, what its processes spend, and a day's reconciliation."""
