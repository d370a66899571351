"""Many members coming into a journey, step by step."""
