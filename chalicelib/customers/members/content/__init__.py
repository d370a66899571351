"""What of a profile others see: only what WeChat has looked at."""
