"""Configurations of a release, by the folders that have clips."""

import pandas as pd

from hfv_builder.release.composition import size_category
from hfv_builder.release.dataset import configs_of


def test_a_release_without_test_clips_has_train_and_validation_only() -> None:
    rows = pd.DataFrame({"folder": ["data/train", "data/validation"], "split": ["train", "val"], "label": [0, 3]})
    configs = [*configs_of(rows)]
    assert [config.name for config in configs] == ["default"]
    assert configs[0].folders == {"train": ("data/train",), "validation": ("data/validation",)}


def test_evaluation_sets_share_the_real_clips_of_their_variant() -> None:
    folders = ["eval/kling", "eval/film", "eval/kling@blur3", "eval/film@blur3"]
    rows = pd.DataFrame({"folder": folders, "split": "test", "label": [0, 3, 0, 3]})
    assert {config.name: config.folders["test"] for config in configs_of(rows)} == {
        "kling": ("eval/kling", "eval/film"),
        "kling@blur3": ("eval/kling@blur3", "eval/film@blur3"),
    }


def test_a_set_with_its_own_footage_stays_out_of_other_sets() -> None:
    rows = pd.DataFrame({"folder": ["eval/kling", "eval/kling", "eval/pika", "eval/film"], "label": [0, 3, 1, 3]})
    assert {config.name: config.folders["test"] for config in configs_of(rows.assign(split="test"))} == {
        "kling": ("eval/kling", "eval/film"),
        "pika": ("eval/pika", "eval/film"),
    }


def test_size_categories_are_those_of_the_hub() -> None:
    assert [size_category(clips) for clips in (0, 999, 1000)] == ["n<1K", "n<1K", "1K<n<10K"]
    assert [size_category(10**power) for power in (5, 6, 7, 8)] == ["100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B"]
