"""The demo: run all stages on rendered clips, and write a report."""
