"""The HTTP edge: typed endpoints, tokens, problem answers, OpenAPI."""
