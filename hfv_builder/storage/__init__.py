"""The manifests: schemas, Parquet parts, atomic replacement, locks and file systems."""
