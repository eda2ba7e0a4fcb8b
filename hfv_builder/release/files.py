"""All files of a release that are written from what is known, and not from clips."""

from collections.abc import Iterator, Mapping

from hfv_builder.release import card, catalogued, croissant, left_out, licences, report
from hfv_builder.release.checksums import sha256_of
from hfv_builder.release.composition import reviewed_clips
from hfv_builder.release.dataset import DEFAULT, Dataset
from hfv_builder.release.humansam import humansam_files
from hfv_builder.release.layout import METADATA
from hfv_builder.release.media import Media
from hfv_builder.release.metadata import metadata_table, parquet
from hfv_builder.release.sheets import RGB, Sheet
from hfv_builder.wording import counted


def written_files(dataset: Dataset, sheets: Mapping[Sheet, RGB]) -> Iterator[tuple[str, str | bytes]]:
    """Yield the files as paths relative to the release and their content: equal data sets give equal bytes.

    Args:
        sheets: an image of each clip that stands for its class in the report.
    """
    sums: dict[str, str] = {}
    for folder, rows in dataset.by_folder.items():
        content = parquet(metadata_table(rows))
        path = f"{folder}/{METADATA}"
        sums[path] = sha256_of(content)
        yield path, content
    sets = [config.name for config in dataset.configs if config.name != DEFAULT and "@" not in config.name]
    yield from humansam_files(dataset.clips, sets)
    counts = {str(name): int(count) for name, count in dataset.clips["generator"].value_counts().items()}
    if dataset.media == Media.NONE:
        yield catalogued.FILE, catalogued.catalogued_csv(dataset.clips)
    if dataset.left_out is not None:
        yield left_out.FILE, left_out.left_out_csv(dataset.left_out)
    yield licences.FILE, licences.licences_csv(counts, dataset.sources)
    yield croissant.FILE, croissant.croissant(dataset, sums, list(stages(dataset)))
    yield card.FILE, card.card(dataset)
    yield report.FILE, report.report(dataset, sheets)


def stages(dataset: Dataset) -> Iterator[str]:
    """Yield what was done to make the data set, a sentence each."""
    names = ", ".join(source.name for _, source in sorted(dataset.sources.items()))
    yield f"Clips of {names} were catalogued; a clip is identified by the SHA-256 of its file."
    yield f"Spatial, appearance and motion scores were computed with the profile {dataset.profile} of hfv-builder."
    yield "Inside each generator clips were ranked by each score and labelled with their smallest rank."
    if reviewed := reviewed_clips(dataset.clips):
        yield f"Reviewers looked at {counted(reviewed, 'clip')} in a browser."
    yield f"Clips were split by the protocol {dataset.protocol}: {card.split_words(dataset)}"
    yield f"The files were put into this folder (media: {dataset.media}) with a checksum each."
