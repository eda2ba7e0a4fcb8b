"""Start workers, send them tasks, and handle workers that die."""
