"""What is on offer: SKUs as they can be bought."""
