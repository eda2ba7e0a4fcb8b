"""The stages: each reads manifests, does its work on Dask, and writes manifests. `cli` is their command line."""
