"""The stage that makes, checks and publishes a release."""
