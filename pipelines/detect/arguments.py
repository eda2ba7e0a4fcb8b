"""The arguments of `hfv train`, `hfv evaluate`, `hfv predict` and `hfv reproduce`; the standard library alone."""

import argparse

from pipelines.argument_types import path, processes, seed, text


def add_train(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hfv train`."""
    parser.add_argument(
        "detector",
        type=text,
        metavar="DETECTOR",
        help="clip-svm, clip-prompt, ft-clip, humansam, uni-fd, cnndet, timesformer, f3net, or one of the floors "
        "chance, metadata, prior",
    )
    parser.add_argument("--config", type=path, metavar="FILE", help="TOML file with the detector's configuration")
    parser.add_argument(
        "--set", type=text, action="append", default=[], metavar="KEY=VALUE", help="one value of it; may be repeated"
    )
    parser.add_argument(
        "--target",
        choices=("binary", "anomaly", "generator"),
        help="classes to distinguish: real and fake, the four labels, or the generators (default: the detector's own)",
    )
    parser.add_argument(
        "--generator",
        type=text,
        action="append",
        default=[],
        metavar="G",
        help="train with the clips of this generator and all real ones; may be repeated (default: all)",
    )
    parser.add_argument("--seed", type=seed, metavar="N", help="seed of all random numbers (default: 0)")
    parser.add_argument("--resume", action="store_true", help="resume the run in --out, with its own configuration")
    _add_places(parser, out="runs/RELEASE/NAME")


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hfv evaluate`."""
    parser.add_argument(
        "runs",
        type=path,
        nargs="*",
        metavar="RUN|import",
        help="folders of runs; the floors are added (default: only the floors); import: make a run from --predictions",
    )
    parser.add_argument("--name", type=text, metavar="N", help="import: the name of the run")
    parser.add_argument(
        "--predictions",
        type=path,
        metavar="FILE",
        help="import: CSV or .parquet with file or clip_id, and p_spatial, p_appearance, p_motion, p_real, or p_fake "
        "and p_real",
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="of the bootstrap (default: 0)")
    _add_places(parser, out="results/RELEASE; of import: runs/RELEASE/NAME")


def add_predict(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hfv predict`."""
    parser.add_argument("run", type=path, metavar="RUN", help="folder of a run that `hfv train` made")
    parser.add_argument(
        "clips", type=path, nargs="+", metavar="CLIPS", help="files of clips, or folders, which are searched for clips"
    )
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="folder for maps of the pixels that decide the answer (default: none)"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the answers in the run's folder, for `hfv review --run RUN`"
    )
    _add_computing(parser)


def add_reproduce(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hfv reproduce`."""
    parser.add_argument(
        "--detector",
        type=text,
        action="append",
        default=[],
        metavar="D",
        help="train only this one of the paper's detectors; may be repeated (default: all)",
    )
    parser.add_argument(
        "--config", type=path, metavar="FILE", help="TOML file with a table of configuration for each detector"
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="seed of training and bootstrap (default: 0)")
    _add_places(parser, out="reproduction/RELEASE")


def _add_places(parser: argparse.ArgumentParser, *, out: str) -> None:
    parser.add_argument("--release", type=path, required=True, metavar="DIR", help="the folder of the release")
    parser.add_argument("--out", type=path, metavar="DIR", help=f"folder to write to (default: {out})")
    parser.add_argument(
        "--cache", type=path, metavar="DIR", help="folder of computed features (default: features, next to the release)"
    )
    _add_computing(parser)


def _add_computing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=("cpu", "cuda"), help="where models run (default: a GPU if there is one)")
    parser.add_argument(
        "--threads", type=processes, metavar="N", help="clips read at the same time (default: one per core)"
    )
