"""The clips that a user names."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from hfv_builder.records import UsageError
from hfv_builder.storage.path_text import path_of
from pipelines.catalog.folder import list_clips, no_clip, sift


def clips_in(arguments: Sequence[Path]) -> list[Path]:
    """Return the given files, and the clips in the given folders, without repetitions and in this order.

    Raises:
        UsageError: a path does not exist, or a folder has no clip.
    """
    paths: dict[Path, Path] = {}
    for argument in arguments:
        if argument.is_dir():
            listing = list_clips(argument)
            own, others = sift([*listing.files])
            if not own:
                raise no_clip(listing, pa.concat_tables([listing.others, others]))
            for path in map(path_of, own):
                paths.setdefault(path, path)
        elif argument.exists():
            paths.setdefault(argument.parent.resolve() / argument.name, argument)
        else:
            raise UsageError(f"{argument} does not exist: give files of clips, or folders with clips")
    return [*paths.values()]
