"""The files that HumanSAM's trainer reads: headerless CSV with the file, its class and its confidence.

Its class ids are not the paper's: 0 appearance, 1 spatial, 2 motion, 3 real, and of two classes 0 forgery, 1 real. The
third column is r̂, which the trainer turns into log(e + r̂); it must be a number for real clips too. Files are named
relative to the release, which is to be given to the trainer as its prefix.
"""

from collections.abc import Iterable, Iterator

import pandas as pd

from hfv_builder.records import Label, Split

FOUR = {Label.APPEARANCE: 0, Label.SPATIAL: 1, Label.MOTION: 2, Label.REAL: 3}
TWO = {label: int(label is Label.REAL) for label in Label}
IDS = {2: TWO, 4: FOUR}
"""HumanSAM's class ids, by the number of classes."""
TRAINING = "humansam/train_data/hfv"
EVALUATION = "humansam/eval_data"
SETS = {
    "cogvideox-5b": "CogVideoX-5B_human_dim",
    "kling": "Kling_human_dim",
    "minimax": "MinMax_human_dim",
    "vchitect-2.0": "Vchitect-2.0-2B_human_dim",
    "vchitect-2.0-venhancer": "Vchitect-2.0-2B+VEnhancer_human_dim",
    "gen-2": "gen_2_human_dim",
    "gen-3": "gen3_human_dim",
    "pika": "pika_1_human_dim",
}
"""HumanSAM's names of the paper's eight evaluation sets."""


def set_name(generator: str) -> str:
    """Return the folder of a generator's evaluation set, a `@variant` behind it kept."""
    name, at, variant = generator.partition("@")
    return SETS.get(name, f"{name.replace('.', '-')}_human_dim") + at + variant


def set_names(generators: Iterable[str]) -> dict[str, str]:
    """Return the folder of each generator's evaluation set; a number tells folders of one name apart.

    The generators of the paper, then the first by name, keep the name.
    """
    names: dict[str, str] = {}
    for generator in sorted(generators, key=lambda name: (name not in SETS, name)):
        name, number = set_name(generator), 1
        while name in names.values():
            number += 1
            name = f"{set_name(generator)}_{number}"
        names[generator] = name
    return names


def humansam_files(rows: pd.DataFrame, sets: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the files, as paths relative to the release and their text.

    Args:
        rows: columns path (relative to the release), label, r_hat, split and generator.
        sets: the generators that have an evaluation set: their test clips and those of all real sources.
    """
    rows = rows.sort_values("path")
    real = rows["label"].eq(Label.REAL)
    for split, name in ((Split.TRAIN, "train"), (Split.VAL, "val")):
        own = rows[rows["split"].eq(split)]
        if len(own):
            yield from _both(own, f"{TRAINING}/{name}")
    test = rows["split"].eq(Split.TEST)
    for generator, folder in set_names(sets).items():
        own = rows[test & (real | rows["generator"].eq(generator))]
        yield from _both(own, f"{EVALUATION}/{folder}/test")


def _both(rows: pd.DataFrame, path: str) -> Iterator[tuple[str, str]]:
    for classes, ids in IDS.items():
        lines = (
            f"{path_},{ids[Label(label)]},{0.0 if label == Label.REAL else float(r_hat)!r}\n"
            for path_, label, r_hat in zip(rows["path"], rows["label"], rows["r_hat"], strict=True)
        )
        yield f"{path}_{classes}.csv", "".join(lines)
