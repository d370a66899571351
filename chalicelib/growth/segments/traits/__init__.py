"""What is known of one member, kept up to date as things happen."""
