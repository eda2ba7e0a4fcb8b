"""The places of clips in a release.

Folders are named `data/train`, `data/validation` and `eval/GENERATOR`; each has a metadata.parquet. Below it, a clip is
in a folder of its generator and of the first two characters of its id, so that no folder has 10,000 entries. The stem
of a clip's file is unique in the release and has no dot, since HumanSAM's loader takes the text before the first one.
"""

from pathlib import Path

from hfv_builder.records import Split, UsageError

METADATA = "metadata.parquet"
TRAIN, VALIDATION, EVALUATION = "data/train", "data/validation", "eval"
SUFFIX = ".mp4"


def tables_of(release: Path) -> list[Path]:
    """Return the metadata tables of a release, sorted.

    Raises:
        UsageError: it has none.
    """
    tables = sorted(table for side in ("data", EVALUATION) for table in release.glob(f"{side}/*/{METADATA}"))
    if not tables:
        raise UsageError(
            f"{release} is not a release: neither data/ nor eval/ has a {METADATA}; make one with `hfv release`, or "
            "give --release the folder that holds README.md"
        )
    return tables


def folder_of(split: str, generator: str, variant: str = "") -> str:
    """Return the folder whose metadata lists a clip, relative to the release.

    Args:
        variant: of an evaluation set, such as blur3; the clips themselves without it.
    """
    test = f"{EVALUATION}/{generator}{f'@{variant}' if variant else ''}"
    return {Split.TRAIN: TRAIN, Split.VAL: VALIDATION, Split.TEST: test}[Split(split)]


def split_of(folder: str) -> Split:
    """Return the split of the clips in a folder, from its path relative to the release."""
    return {TRAIN: Split.TRAIN, VALIDATION: Split.VAL}.get(folder, Split.TEST)


def stem(generator: str, clip_id: str) -> str:
    """Return the name of a clip's file without its suffix; unique, since a clip id is, and without a dot."""
    return f"{generator.replace('.', '-')}_{clip_id}"


def file_name(split: str, generator: str, clip_id: str) -> str:
    """Return the file of a clip, relative to the folder whose metadata lists it."""
    below = f"{clip_id[:2]}/{stem(generator, clip_id)}{SUFFIX}"
    return below if Split(split) is Split.TEST else f"{generator}/{below}"
