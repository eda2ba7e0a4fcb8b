"""Whether tools of others load a release: `datasets` and `mlcroissant`, where they are installed."""

import contextlib
import glob
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from hfv_builder.release import card, croissant
from hfv_builder.release.dataset import configs_of
from hfv_builder.release.problems import Problem, Report

INSTALL = "pip install -e '.[release]'"


def try_others(folder: Path, rows: pd.DataFrame, report: Report) -> None:
    """Load the release with both, and add what is wrong to the report."""
    for what, check in (("datasets", _try_datasets), ("mlcroissant", _try_mlcroissant)):
        try:
            check(folder, rows, report)
        except ImportError:
            report.skipped.append(f"{what} is not installed, so nobody tried it: {INSTALL}")


def _try_datasets(folder: Path, rows: pd.DataFrame, report: Report) -> None:
    import datasets

    if glob.has_magic(path := str(folder.resolve())) or "::" in path:
        report.skipped.append(f"`datasets` takes {path} for a pattern or a chain of URLs: move the release to load it")
        return
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache, _without_torch():
        for config in configs_of(rows):
            try:
                loaded = datasets.load_dataset(str(folder), config.name, streaming=True, cache_dir=cache)
                if {*loaded} != {*config.folders}:
                    raise ValueError(f"it has the splits {', '.join(loaded)}")
                for split in loaded.values():
                    video = [name for name, kind in split.features.items() if isinstance(kind, datasets.Video)]
                    for name in video:
                        split = split.cast_column(name, datasets.Video(decode=False))
                    next(iter(split))
            except Exception as error:  # whatever it is, others meet it too
                why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                problem = f"`datasets` cannot load the configuration {config.name}: {why}"
                report.problems.append(Problem(file=card.FILE, problem=problem))


@contextlib.contextmanager
def _without_torch() -> Iterator[None]:
    """Keep `datasets` from importing torch, which it needs only to share an epoch among the workers of a loader.

    The import takes more memory and time than the rest of the verification of a small release.
    """
    from datasets import config

    before = config.TORCH_AVAILABLE
    config.TORCH_AVAILABLE = False
    try:
        yield
    finally:
        config.TORCH_AVAILABLE = before


def _try_mlcroissant(folder: Path, rows: pd.DataFrame, report: Report) -> None:
    import mlcroissant

    del rows
    with _quiet():
        try:
            issues = mlcroissant.Dataset(str(folder / croissant.FILE)).metadata.ctx.issues
            errors = sorted(issues.errors)
        except Exception as error:
            errors = [str(error)]
    for text in errors:
        report.problems.append(Problem(file=croissant.FILE, problem=f"mlcroissant: {text.strip().splitlines()[0]}"))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
