"""The stage that lists clips."""
