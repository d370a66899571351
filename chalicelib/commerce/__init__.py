"""What is sold, at which price, and how it reaches its buyer."""
