"""Shipped profiles are complete, user profiles are checked field by field, and fingerprints tell them apart."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from hfv_builder.backends.registry import resolve
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.fingerprint import DECIDES, fingerprint
from hfv_builder.profiles.profile import Profile, load_profile, profile_names
from hfv_builder.records import METRICS, Metric, UsageError


def test_the_profiles_that_ship() -> None:
    assert profile_names() == ["lite", "paper", "paper-fast"]
    paper, lite = load_profile("paper"), load_profile("lite")
    assert (paper.motion.metric, paper.motion.pool, paper.motion.occlusion) == ("warp_error", "mean", True)
    assert (paper.spatial.pool, paper.depth.scale, paper.depth.flow_on) == ("mean", "percentile", "depth")
    assert (lite.motion.metric, lite.motion.pool, lite.spatial.pool) == ("flow_acceleration", "top20", "top20")


def test_a_users_file_overrides_any_field(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "lite"\npairs = 16\n[depth]\nlong_side = 64\n')
    mine, lite = load_profile(str(file)), load_profile("lite")
    assert mine == dataclasses.replace(lite, name="mine", pairs=16, depth=dataclasses.replace(lite.depth, long_side=64))


def test_without_a_base_it_starts_from_paper(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("")
    assert load_profile(str(file)) == dataclasses.replace(load_profile("paper"), name="mine")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[flow\n", r"not valid TOML: .*line 1"),
        ("pairs = 1\npairs = 2\n", r"not valid TOML: .*line 2"),
        ("pears = 3", r"pears: is not a field of a profile"),
        ("[flow]\nlong_sid = 3", r"flow\.long_sid: is not a field of a profile"),
        ("[flow]\nlong_side = -3", r"flow\.long_side: .*greater than 0"),
        ("pairs = 'all'", r"pairs: .*valid integer"),
        ("pairs = 1.5", r"pairs: "),
        ("[motion]\npool = 'median'", r"motion\.pool: .*'mean' or 'top20'"),
        ("[spatial]\nocclusion = 1", r"spatial\.occlusion: .*boolean"),
        ("rate = -1", r"rate: .*greater than or equal to 0"),
        ("rate = inf", r"rate: .*finite"),
        ("rate = nan", r"rate: "),
        ("min_decoded = 1.5", r"min_decoded: .*less than or equal to 1"),
        ("min_decoded = nan", r"min_decoded: "),
        ("long_side = 1", r"long_side: 1 pixels are too few to compare; give at least 16"),
        ("[depth]\nlong_side = 15", r"depth\.long_side: 15 pixels are too few to compare"),
        ("base = 'heavy'", r"base = 'heavy' is no profile; choose lite, paper, paper-fast"),
    ],
)
def test_errors_name_the_wrong_field(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=sentence) as caught:
        load_profile(str(file))
    assert "mine.toml" in str(caught.value)


def test_unknown_missing_and_misleading_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no profile 'papper'; choose lite, paper, paper-fast"):
        load_profile("papper")
    with pytest.raises(UsageError, match=r"nowhere\.toml cannot be read"):
        load_profile(str(tmp_path / "nowhere.toml"))
    (tmp_path / "paper.toml").write_text("pairs = 1")
    with pytest.raises(UsageError, match="rename the file"):
        load_profile(str(tmp_path / "paper.toml"))


def _with(config: Any, name: str, value: object) -> Any:
    return dataclasses.replace(config, **{name: value})


def variants(profile: Profile) -> dict[str, Profile]:
    """Return the profile with one field changed, for every field of every section, by the name of the field."""
    changed = {}
    choices = {
        "backend": {"dis": "raft_small", "apparent_size": "depth_pro", "lab_histogram": "clip"},
        "decoder": {"pyav": "decord"},
        "pool": {"top20": "mean"},
        "metric": {"flow_acceleration": "warp_error"},
        "scale": {"none": "percentile"},
        "align": {"none": "scale"},
        "flow_on": {"depth": "rgb"},
        "region": {"frame": "subject", "subject": "frame"},
        "precision": {"fp32": "fp16", "auto": "fp32"},
    }

    def other(name: str, value: object) -> object:
        if isinstance(value, bool):
            return not value
        if isinstance(value, float):
            return value / 2 + 0.25
        return value + 1 if isinstance(value, int) else choices[name][str(value)]

    for field in dataclasses.fields(profile):
        value = getattr(profile, field.name)
        if field.name in ("name", "evidence"):  # no score depends on them
            continue
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            for inner in dataclasses.fields(value):
                new = _with(value, inner.name, other(inner.name, getattr(value, inner.name)))
                changed[f"{field.name}.{inner.name}"] = _with(profile, field.name, new)
        else:
            changed[field.name] = _with(profile, field.name, other(field.name, value))
    return changed


def test_every_field_changes_the_fingerprints_of_its_metrics() -> None:
    lite = load_profile("lite")
    for name, variant in variants(lite).items():
        section = name.split(".")[0]
        for metric in METRICS:
            decides = "." not in name or section in DECIDES[metric]
            same = fingerprint(lite, metric, {}) == fingerprint(variant, metric, {})
            assert same is not decides, (name, metric)


def test_fingerprints_depend_on_revisions_but_not_on_names() -> None:
    lite = load_profile("lite")
    renamed = dataclasses.replace(lite, name="other")
    assert fingerprint(lite, Metric.MOTION, {"flow": "1"}) == fingerprint(renamed, Metric.MOTION, {"flow": "1"})
    assert fingerprint(lite, Metric.MOTION, {"flow": "1"}) != fingerprint(lite, Metric.MOTION, {"flow": "2"})
    assert fingerprint(lite, Metric.MOTION, {"depth": "1"}) == fingerprint(lite, Metric.MOTION, {"depth": "2"})


def test_fingerprints_depend_on_the_device_for_learnt_models_alone(tmp_path: Path) -> None:
    """They do so even for the same precision, since a GPU resizes and sums in another order."""
    lite, store = load_profile("lite"), WeightsDir(root=tmp_path)
    mixed = _with(lite, "subject", _with(load_profile("paper").subject, "precision", "fp32"))
    on_cpu, on_cuda, on_second = (
        resolve(mixed, device=device, store=store).fingerprints for device in ("cpu", "cuda", "cuda:1")
    )
    assert on_cuda == on_second
    assert [metric for metric in METRICS if on_cpu[metric] != on_cuda[metric]] == [Metric.APPEARANCE]
    assert resolve(lite).fingerprints == resolve(lite, device="cuda").fingerprints


def test_fingerprints_differ_between_metrics_and_profiles() -> None:
    fingerprints = resolve(load_profile("lite")).fingerprints
    assert len(set(fingerprints.values())) == 3
    assert all(len(value) == 16 for value in fingerprints.values())


def test_fields_added_later_leave_older_fingerprints_valid() -> None:
    """The fingerprints are those of the first release, without these fields. Appearance was computed otherwise then."""
    fingerprints = {metric: fingerprint(load_profile("paper"), metric, {}) for metric in METRICS}
    assert fingerprints[Metric.SPATIAL] == "df6c93ec384ba63b"
    assert fingerprints[Metric.MOTION] == "2e3134fa1ca52103"


def test_runs_of_frames_change_all_fingerprints() -> None:
    lite = _with(load_profile("lite"), "pairs", 8)
    without = _with(lite, "motion", _with(lite.motion, "metric", "warp_error"))
    without = _with(without, "spatial", _with(without.spatial, "scaling", False))
    assert lite.runs
    assert not without.runs
    for metric in METRICS:
        assert fingerprint(lite, metric, {}) != fingerprint(without, metric, {})
