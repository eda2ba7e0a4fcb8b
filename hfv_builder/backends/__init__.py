"""Models behind three small Protocols; see `base`."""
