"""Protocols and groups of `hfv split`, from manifests to manifests."""

from collections import Counter

import pyarrow as pa
import pytest

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, SPLITS
from pipelines.label.stage import label
from pipelines.split.stage import split
from tests.pipelines.test_label_and_split import fill

SOURCES = """
[seed]
name = "Seed"
role = "train"
[other]
name = "Other"
role = "eval"
[film]
name = "Film"
real = true
role = "train"
train = 6
"""


def fill_sources(manifests: Manifests) -> None:
    manifests.root.mkdir(parents=True, exist_ok=True)
    (manifests.root / "sources.toml").write_text(SOURCES)
    for name, shift in (("seed", 0), ("other", 3)):
        fill(manifests, name, [((i + shift) % 7, (i * 5) % 11, (i * 3) % 13) for i in range(30)])
    fill(manifests, "film", [(None, None, None)] * 10, real=True)
    label(manifests, ["seed", "other", "film"])


def give_prompts(manifests: Manifests, generator: str, *, prefix: str = "") -> None:
    rows = manifests.read(CLIPS, generator=generator).to_pylist()
    for number, row in enumerate(rows):
        row["prompt_group"] = f"{prefix}{number // 5}"
    manifests.replace(CLIPS, [pa.Table.from_pylist(rows, schema=CLIPS.schema)], generator=generator)


def sides(manifests: Manifests) -> dict[str, Counter[str]]:
    rows = manifests.read(SPLITS).to_pylist()
    return {
        name: Counter(row["split"] for row in rows if row["generator"] == name) for name in ("seed", "other", "film")
    }


def test_hfv_trains_with_the_generators_of_role_train(manifests: Manifests) -> None:
    fill_sources(manifests)
    outcome = split(manifests, protocol="hfv")
    counts = sides(manifests)
    assert set(counts["seed"]) == {"train", "val"}
    assert counts["other"] == Counter(test=30)
    assert counts["film"] == Counter(train=5, val=1, test=4)
    assert outcome.summary["protocol"] == "hfv"
    assert outcome.summary["moved"] == 0
    policies = {row["generator"]: row["policy"] for row in manifests.read(SPLITS).to_pylist()}
    assert policies == {"seed": "top20", "other": "test", "film": "train6-hash20-seed0-by-prompt"}
    split(manifests)
    assert not any(side_counts["test"] for side_counts in sides(manifests).values())


def test_a_generator_without_a_role_is_named(manifests: Manifests) -> None:
    fill_sources(manifests)
    (manifests.root / "sources.toml").write_text(SOURCES.replace('role = "eval"', ""))
    with pytest.raises(UsageError, match="needs the role of other"):
        split(manifests, protocol="hfv")


def test_a_source_that_trains_with_all_its_clips_is_a_warning(manifests: Manifests) -> None:
    fill_sources(manifests)
    (manifests.root / "sources.toml").write_text(SOURCES.replace("train = 6", "train = 60"))
    outcome = split(manifests, protocol="hfv")
    assert "no clip of film is left for test: train = 60" in outcome.text
    assert len(outcome.summary["warnings"]) == 1


def test_no_prompt_is_on_two_sides_whatever_its_generators(manifests: Manifests) -> None:
    fill_sources(manifests)
    give_prompts(manifests, "seed")
    give_prompts(manifests, "other")
    outcome = split(manifests, group="prompt")
    moved = outcome.summary["moved"]
    assert moved > 0
    assert f"val is no longer exactly the top 20 %: {moved} clips moved" in outcome.text
    group = {row["clip_id"]: row["prompt_group"] for row in manifests.read(CLIPS).to_pylist()}
    rows = manifests.read(SPLITS).to_pylist()
    sides_of: dict[str, set[str]] = {}
    for row in rows:
        if row["split"] is not None and group[row["clip_id"]] is not None:
            sides_of.setdefault(group[row["clip_id"]], set()).add(row["split"])
    assert len(sides_of) == 6
    assert all(len(prompt_sides) == 1 for prompt_sides in sides_of.values())
    assert {row["policy"] for row in rows} == {"top20-by-prompt", "hash20-seed0-by-prompt"}
    with pytest.raises(UsageError, match="leave --generator out"):
        split(manifests, ["seed"], group="prompt")


def test_only_prompts_without_test_clips_are_trained_with(manifests: Manifests) -> None:
    fill_sources(manifests)
    give_prompts(manifests, "seed")
    give_prompts(manifests, "other")
    before = manifests.read(SPLITS).to_pylist()
    with pytest.raises(UsageError, match="leaves no generated clip to train with"):
        split(manifests, protocol="hfv", group="prompt")
    assert manifests.read(SPLITS).to_pylist() == before
    give_prompts(manifests, "seed", prefix="seed")
    split(manifests, protocol="hfv", group="prompt")
    assert set(sides(manifests)["seed"]) == {"train", "val"}


def test_clips_of_a_source_video_stay_together(manifests: Manifests) -> None:
    fill_sources(manifests)
    give_prompts(manifests, "film", prefix="video")
    split(manifests, protocol="hfv")
    assert sides(manifests)["film"] in (Counter(train=5, test=5), Counter(val=5, test=5))
