"""What members do in the mini-program, as it says: planned, once, by the mall's clock, and never money."""
