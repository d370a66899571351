"""The client of the store of uploaded files: S3, or what a local mall has instead."""
