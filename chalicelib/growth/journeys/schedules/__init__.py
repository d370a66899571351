"""Times that a cron line names."""
