"""Open media files; decode, select, check and resize their frames."""
