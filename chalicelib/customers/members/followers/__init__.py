"""Who follows the official account."""
