"""Benchmarks: the speed of scoring and of the other stages, against plain implementations."""
