"""What is asked to be sent, and put where it is sent from."""
