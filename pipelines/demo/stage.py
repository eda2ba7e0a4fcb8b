"""Run the demo: render sample clips with known anomalies, run every stage on them, and compare the labels."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from hfv_builder.evaluation.page import FILE as RESULTS_PAGE
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import METRICS, OUR_FAULT
from hfv_builder.samples import SampleSpec, render_sample, sample_plan, write_truth
from hfv_builder.samples.plan import REAL_SOURCE
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, LABELS
from hfv_builder.wording import counted, percent
from pipelines.catalog.stage import catalog
from pipelines.demo.detectors import train_and_evaluate
from pipelines.demo.release import load_with_datasets, prepare, split_and_release
from pipelines.demo.report import write_report
from pipelines.demo.truth import TRUTH
from pipelines.label.stage import label
from pipelines.outcome import Outcome, paragraphs, table
from pipelines.score.execution import IMPORTS
from pipelines.score.stage import score
from pipelines.score.worker_memory import BASE_BYTES
from pipelines.workers.cluster import Cluster
from pipelines.workers.dispatch import run_shards

PROFILE = "lite"
FAMILIES = [metric.value for metric in METRICS]


def demo(out: Path, *, seed: int = 0, workers: int | None = None) -> Outcome:
    """Render the samples of this seed into `out/clips`, build manifests in `out/manifests`, release them, and report.

    Everything that is there already and belongs to this seed is used again.

    Raises:
        UsageError: the folder cannot be written.
    """
    started = time.time()
    specs = sample_plan(seed=seed)
    manifests = Manifests(out / "manifests")
    with Cluster(workers=workers).connect(imports=IMPORTS, worker_bytes=BASE_BYTES) as client:
        _render(specs, out, client)
        prepare(manifests)
        cluster = Cluster(client=client)
        generators = sorted({spec.generator for spec in specs})
        for generator in generators:
            catalog(manifests, generator, out / "clips" / generator, real=generator == REAL_SOURCE, cluster=cluster)
            scored = score(manifests, generator, load_profile(PROFILE), cluster=cluster)
            if scored.summary["failed"]:
                scored.exit_code = OUR_FAULT  # all sample clips are valid
                return scored
        labelled = label(manifests, profile=PROFILE)
        released = split_and_release(manifests, out / "releases", cluster)
    loaded = load_with_datasets(released)
    sizes = {name: counted(count, "clip") for name, count in loaded.items()}
    detected = train_and_evaluate(manifests, released, out, threads=workers)

    compared = compare(manifests, out / TRUTH)
    confusion = confusion_matrix(compared)
    recovered = float((compared["injected"] == compared["label"]).mean())
    seconds = time.time() - started
    report = out / "report.html"
    write_report(report, manifests, compared, confusion, recovered, loaded, seconds=seconds, seed=seed)
    text = paragraphs(
        f"{len(specs)} sample clips rendered, catalogued, scored ({PROFILE}), labelled, split, released and "
        f"evaluated in {seconds:.0f} s",
        table(labelled.summary["generators"], "labels:"),
        table(confusion, "injected anomaly (rows) and label by the ranks (columns):"),
        f"{percent(recovered, 0)} of the {len(compared)} injected anomalies recovered (by chance: 33 %)",
        table(
            detected.summary["table"],
            "detectors on the release, in percent (95 % interval); the first three are floors:",
        ),
        f"loaded with `datasets`: {', '.join(f'{name} ({clips})' for name, clips in sizes.items())}",
        f"{PROFILE} is for trying, testing and teaching, not for publishing: its models are classical, not learnt",
        f"report:       {report}\n"
        f"the release:  {released} (its README.md says how to load it, its report.html shows it)\n"
        f"the table:    {out / 'results' / RESULTS_PAGE}\n"
        f"its audit:    hfv audit --manifests {manifests.root} says what a careful reviewer would object to\n"
        "your clips:   put them in data/clips/NAME, then make score GENERATOR=NAME PROFILE=lite, label, split, release",
    )
    summary = {
        "clips": len(specs),
        "seed": seed,
        "profile": PROFILE,
        "seconds": round(seconds, 1),
        "labels": labelled.summary["generators"],
        "confusion": confusion,
        "recovered": round(recovered, 4),
        "report": str(report),
        "manifests": str(manifests.root),
        "release": str(released),
        "loaded": loaded,
        "detectors": detected.summary["figures"],
    }
    return Outcome(summary=summary, text=text, started=started)


def compare(manifests: Manifests, truth: Path) -> pd.DataFrame:
    """Return a row per clip with an injected anomaly: the columns of labels, file, injected, kind and severity."""
    known = pd.read_csv(truth).rename(columns={"family": "injected"})
    clips = manifests.read(CLIPS, ["clip_id", "generator", "path"]).to_pandas()
    clips["file"] = clips["path"].map(lambda path: Path(path).name)
    labels = manifests.read(LABELS).to_pandas()
    rows = known.merge(clips, on=["generator", "file"]).merge(labels, on=["clip_id", "generator"])
    rows = rows[rows["injected"].isin(FAMILIES)]
    return rows.assign(label=rows["auto_label"].map(lambda number: FAMILIES[int(number)]))


def confusion_matrix(compared: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a row per injected anomaly: the number of clips by label, and the fraction with the right label."""
    rows: list[dict[str, Any]] = []
    for family in FAMILIES:
        labels = compared.loc[compared["injected"] == family, "label"]
        counts = {name: int((labels == name).sum()) for name in FAMILIES}
        rows.append({"injected": family, **counts, "recovered": percent(float((labels == family).mean()), 0)})
    return rows


def _render(specs: list[SampleSpec], out: Path, client: Any) -> None:
    """Render the missing sample clips. Writes `truth.csv` first; if it differs, existing clips are of another seed."""
    clips, truth = out / "clips", out / TRUTH
    planned = out / ".planned.csv"
    write_truth(specs, planned)
    if not truth.exists() or truth.read_bytes() != planned.read_bytes():
        for spec in specs:
            (clips / spec.generator / spec.file).unlink(missing_ok=True)
    planned.replace(truth)
    missing = [[spec] for spec in specs if not (clips / spec.generator / spec.file).exists()]
    if missing:
        with tqdm(total=len(missing), desc="render", unit="clip", disable=None) as bar:
            for done in run_shards(client, partial(_render_all, folder=clips), missing):
                if done.error:
                    raise RuntimeError(f"{done.items[0]}: {done.error}")
                bar.update(len(done.items))


def _render_all(specs: list[SampleSpec], *, folder: Path) -> None:
    for spec in specs:
        render_sample(spec, folder)
