"""What was measured, times a stated traffic, times AWS's prices; and the quotas that a mall meets."""
