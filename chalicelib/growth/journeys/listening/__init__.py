"""What matters to somebody's run: read by whatever happens in the mall, and so apart from all that makes it up."""
