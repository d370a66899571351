"""The second factor: codes of an authenticator by the time (TOTP), and recovery codes."""
