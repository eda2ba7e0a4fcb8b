"""Detectors of people: how sure a model is that a frame shows a person."""
