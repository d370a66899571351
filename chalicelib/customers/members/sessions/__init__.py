"""Which of a member's tokens are still good: log out, all devices, block, and who has left."""
