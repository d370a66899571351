"""What a member holds unpaid, what they have bought, and how much of either they may."""
