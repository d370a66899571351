"""Coming in and going out: logins, tokens, and the cookies of a browser."""
