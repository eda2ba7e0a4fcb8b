"""The stage that scores clips."""
