"""README.md: the data set's card, from the manifests and the maintainers' words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jinja2
from huggingface_hub import DatasetCard, DatasetCardData
from tabulate import tabulate

from hfv_builder.labelling.splits import VAL_PERCENT
from hfv_builder.release import composition
from hfv_builder.release.dataset import DEFAULT, Config, Dataset
from hfv_builder.release.layout import METADATA
from hfv_builder.release.media import Media
from hfv_builder.release.metadata import DESCRIPTIONS
from hfv_builder.release.operations import VARIANTS
from hfv_builder.release.shards import SHARD_SUFFIX
from hfv_builder.wording import counted, percent

FILE = "README.md"
PROTOCOLS = {
    "pooled": f"the top {VAL_PERCENT} % of each label of each generator are validation, the others train.",
    "hfv": (
        "the paper's. The generators to train with give train and validation (the top "
        f"{VAL_PERCENT} % of each label); all clips of the others are test."
    ),
}
GROUPS = {
    "content": "No content is on two sides.",
    "prompt": "No content and no prompt is on two sides, so validation is not exactly the top of each label.",
    "near": "No content and no near duplicate is on two sides, so validation is not exactly the top of each label.",
}
STRONG = "Only anomalies that reviewers called strong are validation, the others of the top are train."
MEDIA = {
    "original": "the file as it came from its source",
    "remuxed": "the same encoded frames in an MP4 container, since common readers cannot read the original's",
    "encoded": "encoded anew as H.264, since common readers cannot read the original",
    "uniform": "decoded and encoded alike, whatever the source",
    "none": "not part of this release; `hfv release attach DIR --clips CLIPS` puts those that you have in place",
}
QUERY = "select generator, label, count(*) from '{folder}/*/*/{file}' group by all order by all"
HUB_LICENCE = re.compile(r"[a-z0-9.+-]+")
"""What licence ids of the Hugging Face hub look like."""
ENVIRONMENT = jinja2.Environment(  # noqa: S701 - Markdown
    loader=jinja2.PackageLoader("hfv_builder.release"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """A few lines of Python that load the data set."""

    what: str
    code: str


def card(dataset: Dataset) -> str:
    """Return the text of the card."""
    clips = dataset.clips
    text = ENVIRONMENT.get_template("card.md").render(
        card_data=_card_data(dataset).to_yaml(),
        lite=dataset.is_lite,
        name=dataset.name,
        settings=dataset.settings,
        profile=dataset.profile,
        protocol=dataset.protocol,
        split_words=split_words(dataset),
        totals=composition.totals(clips),
        sources=dataset.sources_table,
        labels=composition.labels_table(clips),
        split_labels=composition.split_labels_table(clips),
        scores=composition.scores_table(clips),
        evaluation_sets=[config for config in dataset.configs if config.name != DEFAULT],
        agreement=dataset.agreement,
        media_words=MEDIA,
        sharded=dataset.sharded,
        uniform=dataset.settings.uniform if dataset.media == Media.UNIFORM else None,
        variants={name: ", then ".join(map(str, VARIANTS[name])) for name in VARIANTS if name in dataset.variants},
        left_out=0 if dataset.left_out is None else len(dataset.left_out),
        snippets=snippets(dataset.configs, f"{dataset.name.folder}", sharded=dataset.sharded),
        columns=DESCRIPTIONS,
        licences=[
            {"source": source.name, "licence": source.licence, "url": source.url or ""}
            for _, source in sorted(dataset.sources.items())
        ],
        table=_table,
        percent=percent,
        counted=counted,
        figure=lambda value: "not defined" if value is None else f"{value:.3f}",
    )
    return str(DatasetCard(text))  # which checks the block of YAML


def split_words(dataset: Dataset) -> str:
    """Return how the clips were split."""
    return " ".join([PROTOCOLS[dataset.protocol], *[STRONG] * dataset.is_strong_only, GROUPS[dataset.group]])


def snippets(configs: Iterable[Config], folder: str, *, sharded: bool = False) -> list[Snippet]:
    """Return how to load the data set in three ways.

    Args:
        folder: where it is.
    """
    some = list(configs)
    column, classes = (
        ("mp4", 'clips[0]["json"]["label_name"]') if sharded else ("video", 'clips.features["label"].names')
    )
    config = some[0]
    split, folders = next(iter(config.folders.items()))
    name = "" if config.name == DEFAULT else f", {config.name!r}"
    first = f"{folder}/{folders[0]}/{METADATA}"
    return [
        Snippet(
            what="`datasets` (it decodes with torchcodec; `decode=False` gives paths)",
            code="from datasets import Video, load_dataset\n\n"
            f'clips = load_dataset("{folder}"{name}, split="{split}").cast_column("{column}", Video(decode=False))\n'
            f'print({classes}, clips[0]["{column}"]["path"])',
        ),
        Snippet(
            what="pandas",
            code=f'import pandas as pd\n\nclips = pd.read_parquet("{first}")\n'
            'print(clips.groupby("generator")["label"].value_counts())',
        ),
        Snippet(
            what="DuckDB",
            code=f'import duckdb\n\nprint(duckdb.sql("{QUERY.format(folder=folder, file=METADATA)}"))',
        ),
    ]


def data_files(config: Config, *, sharded: bool = False) -> list[dict[str, Any]]:
    """Return the files of a configuration, as the card's YAML names them."""
    files = f"*{SHARD_SUFFIX}" if sharded else "**"
    return [
        {"split": split, "path": [f"{folder}/{files}" for folder in folders]}
        for split, folders in config.folders.items()
    ]


def _card_data(dataset: Dataset) -> DatasetCardData:
    settings = dataset.settings
    licence: dict[str, Any] = {"license": settings.licence}
    if not HUB_LICENCE.fullmatch(settings.licence):
        licence = {"license": "other", "license_name": settings.licence, "license_link": settings.licence_url}
    return DatasetCardData(
        **licence,
        pretty_name=settings.title,
        language=list(settings.language),
        task_categories=["video-classification"],
        size_categories=[composition.size_category(len(dataset.clips))],
        tags=list(settings.keywords),
        configs=[
            {
                "config_name": config.name,
                **({"default": True} if number == 0 else {}),
                "data_files": data_files(config, sharded=dataset.sharded),
            }
            for number, config in enumerate(dataset.configs)
        ],
    )


def _table(rows: list[dict[str, Any]]) -> str:
    cells = [{name: _cell(value) for name, value in row.items()} for row in rows]
    return tabulate(cells, headers="keys", tablefmt="github", missingval="–", disable_numparse=True)


def _cell(value: Any) -> Any:
    """Return the value as it stands in a cell of a table: a text on one line, its bars escaped."""
    return " ".join(value.split()).replace("|", "\\|") if isinstance(value, str) else value
