"""What is done with a member as a run goes on."""
