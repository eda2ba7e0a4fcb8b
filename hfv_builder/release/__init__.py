"""A release: the folder that others download, from labelled and split clips."""
