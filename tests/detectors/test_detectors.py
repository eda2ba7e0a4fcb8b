"""One test suite for all detectors of the registry."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.base import Detector, Explains, Fitting, Floats, Samples
from hfv_builder.detectors.config import Config
from hfv_builder.detectors.reader import Release
from hfv_builder.detectors.registry import DETECTORS, FLOORS, configure, create
from hfv_builder.detectors.targets import class_ids, classes_of, four_probabilities
from hfv_builder.evaluation.scores import PROBABILITIES
from hfv_builder.records import Split, UsageError
from pipelines.cli import main
from pipelines.detect.prepare import Workplace, prepare
from pipelines.detect.train import run_name, surroundings_of
from tests.detectors.weights import BACKBONE

NETWORK: dict[str, object] = {"pretrained": False, "frames": 2, "side": 32, "epochs": 1, "views_per_epoch": 1}
SMALL: dict[str, dict[str, object]] = {
    "ft-clip": {"epochs": 6, "frames": 2, "frames_per_epoch": 2, "rate": 3e-3},
    "clip-svm": {"frames": 3},
    "humansam": {
        "backbone": BACKBONE,
        "epochs": 12,
        "warmup": 1.0,
        "rate": 3e-3,
        "batch": 4,
        "operations": 0,
        "erasing": 0.0,
        "temporal_views": 1,
        "spatial_views": 1,
    },
    "uni-fd": {"frames": 2, "copies": 1, "epochs": 1},
    "cnndet": NETWORK | {"resized": 36, "layers": (1, 1, 1, 1), "channels": (4, 4, 4, 4)},
    "timesformer": NETWORK | {"resized": 36, "width": 32, "depth": 1, "heads": 2, "together": 2},
    "f3net": NETWORK | {"width": 32, "middle": 1},
}
"""Settings that make detectors fast."""
LEARNS = dict.fromkeys(("metadata", "chance", "clip-prompt", "uni-fd", "cnndet", "timesformer", "f3net"), False)
"""Detectors that are not expected to learn the sample's colours; `test_networks.py` tests that the networks learn."""


def make_detector(
    name: str, release: Release, workplace: Workplace, **values: object
) -> tuple[Detector, Config, Samples, Samples]:
    """Return a detector, its configuration, and samples to train and to test with."""
    config = configure(name, SMALL.get(name, {}) | values, name)
    rows = release.clips(Split.TRAIN)
    classes = classes_of(rows, config.target)
    detector = create(name, config, surroundings_of(classes, workplace, lite=True))
    train, test = (
        prepare(release, part, detector, config.target, classes, workplace).samples
        for part in (rows, release.clips(Split.TEST))
    )
    return detector, config, train, test


def test_detectors_compute_as_exactly_on_a_gpu_as_scores_do(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    config = configure("chance", {}, "chance")
    surroundings = surroundings_of(("a", "b"), workplace, lite=True)
    create("chance", config, replace(surroundings, device="cuda"))
    assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.deterministic


TARGETS = dict.fromkeys(("ft-clip", "humansam", "uni-fd", "cnndet", "timesformer", "f3net"), ("anomaly",))
"""Detectors for which one target suffices."""
PAIRS = [(name, target) for name in DETECTORS for target in TARGETS.get(name, ("binary", "anomaly", "generator"))]


@pytest.mark.parametrize(("name", "target"), PAIRS)
def test_every_detector_fits_predicts_explains_and_is_saved(
    name: str, target: str, release: Release, workplace: Workplace, tmp_path: Path
) -> None:
    detector, config, train, test = make_detector(name, release, workplace, target=target)
    curve = detector.fit(train, test, Fitting(folder=tmp_path))
    assert bool(curve) == DETECTORS[name].has_epochs
    probabilities = detector.predict(test)
    count = {"binary": 2, "anomaly": 4, "generator": 2}[target]
    assert probabilities.shape == (len(test.rows), count)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities >= 0).all()
    if LEARNS.get(name, True) and target == "anomaly":
        assert (probabilities.argmax(axis=1) == test.classes).mean() > 0.8

    detector.save(tmp_path / "weights.safetensors")
    surroundings = surroundings_of(classes_of(train.rows, config.target), workplace, lite=True)
    second = create(name, config, surroundings)
    second.load(tmp_path / "weights.safetensors")
    assert (second.predict(test) == probabilities).all()
    second.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "weights.safetensors").read_bytes()

    check_evidence(detector, release, test, probabilities)
    order = np.random.default_rng(0).permutation(len(test.rows))
    reordered = Samples(
        rows=test.rows.iloc[order].reset_index(drop=True),
        features=[test.features[index] for index in order],
        further=tuple([values[index] for index in order] for values in test.further),
        classes=test.classes[order],
    )
    np.testing.assert_allclose(second.predict(reordered), probabilities[order], atol=1e-9)
    (tmp_path / "weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(UsageError, match="cannot be read"):
        second.load(tmp_path / "weights.safetensors")


def check_evidence(detector: Detector, release: Release, test: Samples, probabilities: Floats) -> None:
    """Check that evidence has the probabilities of the prediction, at least one view, and maps of the images used."""
    if not isinstance(detector, Explains):
        return
    path = release.folder / test.rows["path"][0]
    first, *other_features = (extractor.extract(path) for extractor in detector.evidence_extractors())
    clip = Samples(
        rows=test.rows[:1],
        features=[first],
        further=tuple([values] for values in other_features),
        classes=test.classes[:1],
    )
    without_maps, with_maps = (detector.explain(clip, maps=maps) for maps in (False, True))
    for evidence in (without_maps, with_maps):
        np.testing.assert_allclose(evidence.probabilities, probabilities[0], atol=1e-5)
        assert evidence.views.shape[1] == probabilities.shape[1]
        np.testing.assert_allclose(evidence.views.sum(axis=1), 1)
    assert without_maps.maps is None
    assert without_maps.fusion is None or 0 <= without_maps.fusion <= 1
    if with_maps.maps is not None:
        assert with_maps.images is not None
        assert with_maps.images.shape == (*with_maps.maps.shape, 3)
        assert with_maps.images.dtype == np.uint8
        assert with_maps.maps.min() >= 0
        assert with_maps.maps.max() == 1


@pytest.mark.parametrize("name", [name for name in DETECTORS if name not in (*TARGETS, "chance", "clip-prompt")])
def test_the_same_seed_gives_the_same_weights(
    name: str, release: Release, workplace: Workplace, tmp_path: Path
) -> None:
    for file in ("a", "b"):
        detector, _, train, test = make_detector(name, release, workplace, seed=3, target="anomaly")
        detector.fit(train, test, Fitting(folder=tmp_path))
        detector.save(tmp_path / file)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_probabilities_of_prompts_equal_numpy(release: Release, workplace: Workplace, tmp_path: Path) -> None:
    prompts = {"real": ("a red square", "a film"), "fake": ("a drawing",)}
    detector, _, train, test = make_detector("clip-prompt", release, workplace, prompts=prompts)
    detector.fit(train, test, Fitting(folder=tmp_path))
    import open_clip
    import torch

    assert workplace.weights is not None
    hub_name = f"local-dir:{workplace.weights.root / 'clip'}"
    model, tokenize = open_clip.create_model(hub_name).eval(), open_clip.get_tokenizer(hub_name)
    vectors = []
    for texts in (prompts["fake"], prompts["real"]):
        with torch.inference_mode():
            array = model.encode_text(tokenize([*texts])).numpy().astype(np.float64)
        mean = (array / np.linalg.norm(array, axis=1, keepdims=True)).mean(axis=0)
        vectors.append(mean / np.linalg.norm(mean))
    probabilities = detector.predict(test)
    for clip, array in enumerate(probabilities):
        frames = np.asarray(test.features[clip], np.float64)
        frames /= np.linalg.norm(frames, axis=1, keepdims=True)
        cosines = frames @ np.array(vectors).T
        votes = np.bincount(cosines.argmax(axis=1), minlength=2)
        mean = np.exp(100 * (cosines.mean(axis=0) - cosines.mean(axis=0).max()))
        np.testing.assert_allclose(array, (votes + mean / mean.sum()) / (len(frames) + 1), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("clip-svn", {}, "there is no detector 'clip-svn': choose from chance, metadata"),
        ("clip-svm", {"kernl": "rbf"}, "kernl: is unknown; known are target, seed"),
        ("clip-svm", {"kernel": "sigmoid"}, "clip-svm: kernel: input should be"),
        ("clip-svm", {"c": -1}, "clip-svm: c: input should be greater than 0"),
        ("clip-svm", {"embedding": "clop"}, "no embedding 'clop': choose from auto, clip"),
        ("clip-svm", {"embedding": "siglip"}, "hf download timm/ViT-B-16-SigLIP"),
        ("clip-svm", {"embedding": "clip"}, r"missing or damaged .* embedding = \"lab_histogram\""),
        ("clip-svm", {"c": float("inf")}, "clip-svm: c: input should be a finite number"),
        ("prior", {"seed": 2**32}, "prior: seed: input should be less than or equal to 4294967295"),
        ("cnndet", {"side": 64}, "side is 64 and resized is 36"),
        ("cnndet", {"layers": (1, 1)}, "cnndet: layers.2: field required"),
        ("timesformer", {"side": 64}, "side is 64 and resized is 36"),
        ("timesformer", {"width": 33}, "make width a multiple of heads"),
        ("timesformer", {"patch": 64}, "patch at most side"),
        ("f3net", {"side": 8}, "f3net: side: input should be greater than or equal to 24"),
        ("clip-prompt", {"prompts": {"cat": ("a cat",)}}, "prompts.cat: the classes are fake, real"),
        ("clip-prompt", {"prompts": {"real": ()}}, "prompts.real: give at least one prompt"),
    ],
)
def test_wrong_configurations_are_refused(
    name: str, values: dict[str, object], sentence: str, release: Release, workplace: Workplace, tmp_path: Path
) -> None:
    if values == {"embedding": "clip"}:
        workplace = replace(workplace, weights=WeightsDir(root=tmp_path))
    with pytest.raises(UsageError, match=sentence):
        make_detector(name, release, workplace, **values)


def test_prior_refuses_clips_without_scores(release: Release, workplace: Workplace, tmp_path: Path) -> None:
    detector, _, train, test = make_detector("prior", release, workplace)
    rows = train.rows.copy()
    rows.loc[rows["generator"].eq("film"), "motion"] = None
    with pytest.raises(UsageError, match=r"4 of 16 have none \(film\): run `hfv score"):
        detector.fit(replace(train, rows=rows), test, Fitting(folder=tmp_path))


def test_prior_has_no_answer_for_clips_without_scores(release: Release, workplace: Workplace, tmp_path: Path) -> None:
    detector, _, train, test = make_detector("prior", release, workplace)
    detector.fit(train, test, Fitting(folder=tmp_path))
    rows, is_film = test.rows.copy(), test.rows["generator"].eq("film")
    rows.loc[is_film, "motion"] = None
    assert np.isnan(detector.predict(replace(test, rows=rows))).all(axis=1).tolist() == is_film.tolist()


def test_classes_and_probabilities_of_targets(release: Release) -> None:
    rows = release.clips(Split.TRAIN)
    assert classes_of(rows, "generator") == ("film", "sora")
    assert class_ids(release.clips(Split.TEST), "generator", ("film", "sora")).tolist().count(-1) == 12
    with pytest.raises(UsageError, match="no motion clip"):
        classes_of(rows[rows["label"] != 2], "anomaly")
    with pytest.raises(UsageError, match="one generator only"):
        classes_of(rows[rows["label"] == 3], "generator")
    four = four_probabilities(np.array([[0.7, 0.2, 0.1]]), "generator", ("film", "sora", "veo"), ("film",))
    assert four["p_real"].tolist() == [0.7]
    assert four[list(PROBABILITIES[:3])].isna().all(axis=None)
    without_footage = four_probabilities(np.array([[0.7, 0.3]]), "generator", ("sora", "veo"), ())
    assert without_footage.isna().all(axis=None)


def test_the_help_names_every_detector(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    words = capsys.readouterr().out.replace("\n", " ").replace(",", " ").split()
    assert set(DETECTORS) <= set(words)


def test_names_of_floors_and_runs() -> None:
    assert FLOORS == ("chance", "metadata", "prior")
    config = configure("clip-svm", {"target": "binary", "kernel": "linear", "generators": ["a", "b"], "c": 2.0}, "x")
    assert run_name("clip-svm", config) == "clip-svm-binary-a+b-linear-c2.0"
    for name in DETECTORS:
        assert run_name(name, configure(name, {}, "x")) == name
    assert run_name("humansam", configure("humansam", {"smoothing": 0.2}, "x")) == "humansam-smoothing0.2"


def test_a_batch_of_a_single_view_is_refused(release: Release, workplace: Workplace, tmp_path: Path) -> None:
    detector, _, train, test = make_detector("humansam", release, workplace, batch=1, views=1)
    detector._backbone.averages = 1  # type: ignore[attr-defined]  # as V-JEPA 2 has
    with pytest.raises(UsageError, match="set batch or views to at least 2"):
        detector.fit(train, test, Fitting(folder=tmp_path))
