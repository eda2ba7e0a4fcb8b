"""Contents of several generators have one owner in every stage, which is named, whatever the order of commands."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hfv_builder.frames.facts import Probe
from hfv_builder.records import METRICS
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, LABELS, SCORES, SPLITS
from pipelines.catalog.stage import catalog
from pipelines.generators import catalogued, clips_of
from pipelines.label.stage import label
from pipelines.outcome import Outcome
from pipelines.split.stage import split
from pipelines.status import status
from pipelines.workers.cluster import Cluster
from review_ui.clips import Clips
from tests.pipelines.conftest import age

IN_PROCESS = Cluster(workers=0)
FACTS = Probe(
    width=8, height=8, fps=8.0, num_frames=8, duration_s=1.0, codec="x", pix_fmt="y", rotation=0, bit_rate=None
)
REAL = {"camera", "k400"}


@pytest.fixture(scope="module", autouse=True)
def _one_cluster() -> Iterator[None]:
    """Let all catalogues use one cluster in this process: to start one takes as long as a small catalogue."""
    with IN_PROCESS.connect() as client, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cluster, "connect", lambda *_, **__: contextlib.nullcontext(client))
        yield


@pytest.fixture(autouse=True)
def _every_file_is_a_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.catalog.worker.probe", lambda _: FACTS)


def clips(root: Path, generator: str, contents: str) -> Path:
    """Write a file for each of these one-letter contents, and return their folder."""
    folder = root / generator
    folder.mkdir(parents=True, exist_ok=True)
    for content in contents:
        (folder / f"{content}.mp4").write_text(content)
    return folder


def add(manifests: Manifests, folder: Path) -> Outcome:
    return catalog(manifests, folder.name, folder, real=folder.name in REAL, cluster=IN_PROCESS)


def write_scores(manifests: Manifests, generator: str) -> None:
    """Write scores of all clips that count."""
    ids = clips_of(manifests, generator, [])["clip_id"].to_pylist()
    for metric in METRICS:
        rows = [
            dict.fromkeys(SCORES.schema.names)
            | {
                "clip_id": clip_id,
                "generator": generator,
                "metric": metric.value,
                "score": float(crc32(f"{clip_id}{metric}".encode()) % 97),
            }
            | {"profile": "lite", "fingerprint": "f", "environment": "e", "status": "ok"}
            for clip_id in ids
        ]
        table = pa.Table.from_pylist(rows, schema=SCORES.schema)
        manifests.replace(SCORES, [table], profile="lite", metric=metric.value, generator=generator)


def owners(manifests: Manifests) -> dict[str, str]:
    """Return the generator of every content that counts."""
    owner_of: dict[str, str] = {}
    for generator in catalogued(manifests):
        for path in clips_of(manifests, generator, ["path"])["path"].to_pylist():
            content = Path(path).read_text()
            assert content not in owner_of
            owner_of[content] = generator
    return owner_of


def statuses(manifests: Manifests, generator: str) -> dict[str, tuple[str, str | None]]:
    rows = manifests.read(CLIPS, generator=generator).to_pylist()
    return {Path(row["path"]).stem: (row["status"], row["error"]) for row in rows}


def test_the_generator_catalogued_first_keeps_a_content(manifests: Manifests, tmp_path: Path) -> None:
    pika, kling = clips(tmp_path, "pika", "abc"), clips(tmp_path, "kling", "bcd")
    assert add(manifests, pika).exit_code == 0
    outcome = add(manifests, kling)
    assert outcome.exit_code == 0
    assert outcome.summary["shared"] == [
        {"generator": "kling", "counts in": "pika", "clips": 2, "such as": str(kling / "b.mp4")}
    ]
    assert "same content in several generators" in outcome.text
    assert statuses(manifests, "kling") == {
        "b": ("duplicate", f"same content as pika: {pika / 'b.mp4'}"),
        "c": ("duplicate", f"same content as pika: {pika / 'c.mp4'}"),
        "d": ("ok", None),
    }
    assert set(statuses(manifests, "pika").values()) == {("ok", None)}
    for folder in (pika, kling, kling, pika):
        add(manifests, folder)
        assert owners(manifests) == {"a": "pika", "b": "pika", "c": "pika", "d": "kling"}


def test_copies_of_another_generator_are_not_read_again(
    manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(monkeypatch)
    add(manifests, clips(tmp_path, "pika", "ab"))
    assert add(manifests, clips(tmp_path, "kling", "ab")).summary["read"] == 2
    assert add(manifests, tmp_path / "kling").summary["read"] == 0


@pytest.mark.parametrize("first", ["kling", "camera"])
def test_footage_in_a_generator_is_reported_and_does_not_count(
    manifests: Manifests, tmp_path: Path, first: str
) -> None:
    kling, camera = clips(tmp_path, "kling", "abcd"), clips(tmp_path, "camera", "bx")
    for folder in (kling, camera) if first == "kling" else (camera, kling):
        outcome = add(manifests, folder)
    assert outcome.exit_code == 3
    assert "camera footage among generated clips" in outcome.text
    for path in (kling / "b.mp4", camera / "b.mp4"):
        assert str(path) in outcome.text
    assert owners(manifests) == {"a": "kling", "b": "camera", "c": "kling", "d": "kling", "x": "camera"}
    assert add(manifests, kling).exit_code == 3
    error = f"same content as camera: {camera / 'b.mp4'}, which is camera footage"
    assert statuses(manifests, "kling")["b"] == ("duplicate", error)


def test_a_clip_found_to_be_footage_counts_in_no_stage(manifests: Manifests, tmp_path: Path) -> None:
    kling = clips(tmp_path, "kling", "abcdefghij")
    add(manifests, kling)
    write_scores(manifests, "kling")
    label(manifests)
    split(manifests)
    add(manifests, clips(tmp_path, "camera", "cxyz"))  # kling is not catalogued again

    (footage,) = (
        manifests.read(CLIPS, ["clip_id", "path"])
        .filter(pa.compute.ends_with(manifests.read(CLIPS, ["path"])["path"], "camera/c.mp4"))["clip_id"]
        .to_pylist()
    )
    report = status(manifests)
    assert "camera footage among generated clips" in report.text
    of_kling = next(row for row in report.summary["generators"] if row["generator"] == "kling")
    assert (of_kling["clips"], of_kling["copies"], of_kling["labelled"], of_kling["split"]) == (9, 1, 9, 9)

    write_scores(manifests, "camera")
    with pytest.raises(Exception, match="has no labels yet"):
        split(manifests)
    early = split(manifests, ["kling"])  # with the old labels
    assert "camera footage among generated clips" in early.text
    assert footage not in manifests.read(SPLITS, ["clip_id"], generator="kling")["clip_id"].to_pylist()
    outcome = label(manifests)
    assert outcome.summary["footage_in_fake"][0]["file"] == str(kling / "c.mp4")
    assert "camera footage among generated clips" in outcome.text
    split(manifests)
    for table in (LABELS, SPLITS):
        rows = manifests.read(table).to_pylist()
        assert [row["generator"] for row in rows if row["clip_id"] == footage] == ["camera"]
    assert {row["group_size"] for row in manifests.read(LABELS, generator="kling").to_pylist()} == {9}
    review_clips = Clips(manifests)
    assert review_clips.facts(review_clips.row[footage])["generator"] == "camera"
    assert len(review_clips) == 13


def test_another_generator_owns_a_content_whose_owner_is_gone(manifests: Manifests, tmp_path: Path) -> None:
    pika, kling, sora = (clips(tmp_path, name, f"a{name[0]}") for name in ("pika", "kling", "sora"))
    for folder in (sora, pika, kling):
        add(manifests, folder)
    assert owners(manifests)["a"] == "sora"
    (sora / "a.mp4").unlink()
    add(manifests, sora)
    assert owners(manifests)["a"] == "kling"  # both are duplicates: the first by name
    add(manifests, pika)
    assert owners(manifests)["a"] == "kling"
    add(manifests, kling)
    assert statuses(manifests, "kling")["a"] == ("ok", None)
    clips(tmp_path, "sora", "a")
    add(manifests, sora)
    assert owners(manifests)["a"] == "kling"
    shutil.rmtree(manifests.local_root / "clips" / "generator=kling")
    assert owners(manifests)["a"] == "pika"


@pytest.mark.parametrize("cause", ["deleted", "footage"])
def test_splitting_one_generator_leaves_no_clip_in_two_generators(
    manifests: Manifests, tmp_path: Path, cause: str
) -> None:
    """The other generator was labelled and split before, and is not again."""
    kling, other = clips(tmp_path, "kling", "abcd"), clips(tmp_path, "pika" if cause == "deleted" else "camera", "axyz")
    if cause == "deleted":
        add(manifests, kling)
        add(manifests, other)
    else:
        add(manifests, kling)
    for generator in catalogued(manifests):
        write_scores(manifests, generator)
    label(manifests)
    split(manifests)
    if cause == "deleted":
        (kling / "a.mp4").unlink()
        add(manifests, kling)
    else:
        add(manifests, other)
    write_scores(manifests, other.name)
    label(manifests, [other.name])
    split(manifests, [other.name])
    for table in (LABELS, SPLITS):
        ids = manifests.read(table, ["clip_id"])["clip_id"].to_pylist()
        assert len(ids) == len(set(ids)) == 7


def test_a_copy_of_deleted_footage_belongs_to_the_generator(manifests: Manifests, tmp_path: Path) -> None:
    camera = clips(tmp_path, "camera", "ax")
    add(manifests, camera)
    assert add(manifests, clips(tmp_path, "kling", "ab")).exit_code == 3
    (camera / "a.mp4").unlink()
    assert add(manifests, camera).exit_code == 0
    assert owners(manifests)["a"] == "kling"


def test_two_catalogues_at_once_do_not_both_own_a_content(manifests: Manifests, tmp_path: Path) -> None:
    """As in a race, both catalogues finish before either reads the rows of the other."""
    kling, pika = clips(tmp_path, "kling", "ab"), clips(tmp_path, "pika", "ab")
    add(manifests, kling)
    shutil.move(manifests.local_root / "clips" / "generator=kling", tmp_path / "hidden")
    add(manifests, pika)
    shutil.move(tmp_path / "hidden", manifests.local_root / "clips" / "generator=kling")
    assert {state for state, _ in statuses(manifests, "pika").values()} == {"ok"}
    assert owners(manifests) == {"a": "kling", "b": "kling"}
    for folder in (pika, kling):
        add(manifests, folder)
    assert owners(manifests) == {"a": "kling", "b": "kling"}


def test_duplicates_of_older_manifests_are_read(manifests: Manifests, tmp_path: Path) -> None:
    folder = clips(tmp_path, "kling", "ab")
    (folder / "copy.mp4").write_text("a")
    add(manifests, folder)
    rows = manifests.read(CLIPS, generator="kling").to_pylist()
    for row in rows:
        row["status"] = row["status"].replace("duplicate", "rejected")
    assert "rejected" in {row["status"] for row in rows}
    manifests.replace(CLIPS, [pa.Table.from_pylist(rows, CLIPS.schema)], generator="kling")
    assert sorted(manifests.read(CLIPS)["status"].to_pylist()) == ["duplicate", "ok", "ok"]
    assert len(clips_of(manifests, "kling", [])) == len(Clips(manifests)) == 2


CONTENTS_OF_GENERATORS = st.dictionaries(
    st.sampled_from(["kling", "pika", "sora", *REAL]), st.text("abcdef", min_size=1), min_size=1
)


@settings(max_examples=8, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # a catalogue takes a while
@given(CONTENTS_OF_GENERATORS, st.data())
def test_every_content_counts_once_and_footage_counts_as_real(contents_of: dict[str, str], data: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        root, manifests = Path(name), Manifests(Path(name) / "manifests")
        folders = {generator: clips(root, generator, contents) for generator, contents in contents_of.items()}
        order = data.draw(st.permutations(sorted(contents_of)))
        for generator in order:
            add(manifests, folders[generator])
        owner_of = owners(manifests)
        for content in set("".join(contents_of.values())):
            holders = [generator for generator in order if content in contents_of[generator]]
            footage = [generator for generator in holders if generator in REAL]
            assert owner_of[content] == (footage or holders)[0]
        for generator in data.draw(st.lists(st.sampled_from(sorted(contents_of)), max_size=3)):
            add(manifests, folders[generator])
        assert owners(manifests) == owner_of
        for generator in contents_of:
            write_scores(manifests, generator)
        label(manifests)
        split(manifests)
        splits = manifests.read(SPLITS).to_pylist()
        ids = [row["clip_id"] for row in splits]
        assert len(ids) == len(set(ids)) == len(owner_of)
        for row in splits:
            assert (row["label"] == 3) == (row["generator"] in REAL)
