"""Build HFV-style benchmarks of human-centric forged videos."""

__version__ = "0.1.0"
