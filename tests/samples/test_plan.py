"""The plan of sample clips: counts, balance, uninformative file names, and the table of truth."""

import csv
import pickle
from collections import Counter
from pathlib import Path

import numpy as np

from hfv_builder.samples import sample_plan, write_truth
from hfv_builder.samples.anomalies import FAMILIES
from hfv_builder.samples.plan import FAKE_SOURCES, PLANNED_KINDS, REAL_SOURCE, SEVERITIES, TRUTH_COLUMNS


def test_every_source_has_its_clips() -> None:
    plan = sample_plan(per_family=5, real=7, seed=3)
    counts = Counter((spec.generator, spec.family) for spec in plan)
    expected = {(generator, family): 5 for generator in FAKE_SOURCES for family in FAMILIES}
    assert counts == {**expected, (REAL_SOURCE, "clean"): 7}


def test_a_source_may_be_empty() -> None:
    assert sample_plan(per_family=0, real=0) == []


def test_kinds_and_actions_come_equally_often() -> None:
    plan = sample_plan(per_family=12, real=24, seed=1)
    for generator in FAKE_SOURCES:
        for family, kinds in PLANNED_KINDS.items():
            rows = [spec for spec in plan if (spec.generator, spec.family) == (generator, family)]
            for counts, size in (
                (Counter(spec.kind for spec in rows), len(kinds)),
                (Counter(spec.action for spec in rows), 8),
            ):
                assert len(counts) == size
                assert max(counts.values()) - min(counts.values()) <= 1


def test_severity_is_spread_over_its_range_and_a_clean_clip_has_none() -> None:
    plan = sample_plan(seed=2)
    for spec in plan:
        low, high = (0.0, 0.0) if spec.family == "clean" else SEVERITIES
        assert low <= spec.severity <= high
    spatial = [spec.severity for spec in plan if (spec.generator, spec.family) == ("demo-b", "spatial")]
    assert max(spatial) - min(spatial) > 0.8 * (SEVERITIES[1] - SEVERITIES[0])


def test_the_generators_differ_in_format() -> None:
    formats = {(spec.generator, spec.width, spec.height, spec.fps, spec.num_frames) for spec in sample_plan()}
    generated = [form for form in formats if form[0] != REAL_SOURCE]
    assert len(formats) == 3
    for column in range(5):
        assert len({form[column] for form in generated}) == 2


def test_the_plan_depends_on_the_seed_alone() -> None:
    assert sample_plan(seed=4) == sample_plan(seed=4)
    first, second = ({spec.seed for spec in sample_plan(seed=seed)} for seed in (4, 5))
    assert len(first) == len(sample_plan(seed=4))
    assert not first & second


def test_file_names_do_not_tell_the_anomaly() -> None:
    orders = []
    for seed in range(20):
        clips = [spec for spec in sample_plan(seed=seed) if spec.generator == "demo-a"]
        assert [spec.file for spec in clips] == [f"clip_{number:04d}.mp4" for number in range(36)]
        orders.append([spec.family for spec in clips])
    # Over the seeds, every position in the folder has clips of all families.
    assert all(set(families) == set(FAMILIES) for families in zip(*orders, strict=True))


def test_seeds_and_families_are_uncorrelated() -> None:
    clips = [spec for seed in range(10) for spec in sample_plan(seed=seed, real=0)]
    seeds = np.array([spec.seed for spec in clips], float)
    for family in FAMILIES:
        is_family = np.array([spec.family == family for spec in clips])
        assert abs(np.corrcoef(seeds, is_family)[0, 1]) < 0.12


def test_a_spec_survives_pickling() -> None:
    spec = sample_plan()[0]
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301


def test_the_truth_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = sample_plan(per_family=2, real=3, seed=6)
    path = tmp_path / "new" / "truth.csv"
    write_truth(plan, path)
    write_truth(plan, path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == TRUTH_COLUMNS
    assert [{name: str(getattr(spec, name)) for name in TRUTH_COLUMNS} for spec in plan] == rows
    assert list(path.parent.iterdir()) == [path]
