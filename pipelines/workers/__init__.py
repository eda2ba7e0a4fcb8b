"""Where tasks run, and what happens when a worker dies."""
