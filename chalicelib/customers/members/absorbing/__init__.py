"""What was a member's who was merged is moved to whom they are now."""
