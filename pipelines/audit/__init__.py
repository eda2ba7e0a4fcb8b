"""The stage that says what a careful reviewer would object to."""
