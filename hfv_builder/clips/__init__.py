"""Clips before they are scored: where they come from, in which generator they count, of which format they are."""
