"""What members want: by which media, in which hours, and offers at all."""
