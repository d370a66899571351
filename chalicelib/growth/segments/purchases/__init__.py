"""What a member's orders count for."""
