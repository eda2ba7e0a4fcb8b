"""The stage that ranks scores and names labels."""
