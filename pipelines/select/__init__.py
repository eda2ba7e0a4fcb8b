"""The stage that chooses a balanced subset."""
