"""Checks of models: correct models pass, and every kind of wrong model fails a check."""

import dataclasses
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import cv2
import pytest
import torch
from torch import Tensor, nn

from hfv_builder.backends import registry
from hfv_builder.profiles.profile import Depth, Embedding, Flow, load_profile
from hfv_builder.records import SOME_FAILED, UsageError
from hfv_builder.trial import embedding, references
from hfv_builder.trial.check import Check, table
from hfv_builder.trial.depth import HEIGHT, WIDTH, check_flicker, check_geometry, compute_map
from hfv_builder.trial.embedding import check_embedding
from hfv_builder.trial.flow import check_flow
from hfv_builder.trial.models import check_models
from hfv_builder.trial.references import check_references
from hfv_builder.trial.views import YARD
from pipelines.trial import try_weights
from tests.checkpoints import tiny_store
from tests.device import DEVICE

FLOW = Flow(backend="raft_small", long_side=192, updates=2, precision="fp32")
DEPTH = Depth(backend="depth_pro", long_side=96, scale="none", precision="fp32")
EMBEDDINGS = [Embedding(backend=name, precision="fp32") for name in ("clip", "dinov2")]


@pytest.fixture(autouse=True)
def _inference() -> Any:
    with torch.inference_mode():
        yield


@pytest.fixture(autouse=True)
def _small_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Render small views, which suffice for models whose input is small; frames for the library must be shrunk."""
    for module, height, width in ((embedding, 90, 120), (references, 240, 320)):
        monkeypatch.setattr(module, "HEIGHT", height)
        monkeypatch.setattr(module, "WIDTH", width)


LIBRARY = {name: cache(load) for name, load in references.EMBEDDINGS.items()}
"""The references of embeddings, loaded once: no test changes them."""


@pytest.fixture(autouse=True)
def _loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "EMBEDDINGS", LIBRARY)


class AlteredFlow:
    """A flow model whose input or output is altered."""

    def __init__(self, model: Any, before: Any = None, after: Any = None) -> None:
        self.model, self.before, self.after = model, before or _unchanged, after or _unchanged

    def encode(self, frames: Tensor) -> Any:
        return self.model.encode(self.before(frames))

    def flow(self, first: Any, second: Any) -> Tensor:
        altered: Tensor = self.after(self.model.flow(first, second))
        return altered


class AlteredFrames:
    """A depth or embedding model whose frames are altered."""

    def __init__(self, model: Any, before: Callable[[Tensor], Tensor]) -> None:
        self.model, self.before = model, before

    def begin(self) -> "AlteredFrames":
        self.inner = self.model.begin()
        return self

    def update(self, frames: Tensor) -> None:
        self.inner.update(self.before(frames))

    def compute(self) -> Any:
        return self.inner.compute()


class TrueDepth:
    """A depth model that returns the true depth of the scene, altered as a test asks."""

    def __init__(self, alter: Callable[[Tensor], Tensor] = lambda maps: maps) -> None:
        self.alter = alter

    def begin(self) -> "TrueDepth":
        return self

    def update(self, frames: Tensor) -> None:
        self.count = len(frames)

    def compute(self) -> Tensor:
        inverse = cv2.resize(YARD.render(HEIGHT, WIDTH).inverse_depth, (192, 144), interpolation=cv2.INTER_AREA)
        return self.alter(torch.from_numpy(inverse).float().repeat(self.count, 1, 1))


class Growing:
    """Change maps by a tenth more each time."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, maps: Tensor) -> Tensor:
        self.times += 1
        return maps * (1 + self.times / 10)


class SceneEmbedding:
    """An embedding model that tells scenes apart: its vectors are the brightness of parts of the frame."""

    def begin(self) -> "SceneEmbedding":
        return self

    def update(self, frames: Tensor) -> None:
        self.frames = frames

    def compute(self) -> Tensor:
        parts = torch.nn.functional.adaptive_avg_pool2d(self.frames.permute(0, 3, 1, 2).float(), (9, 12)).flatten(1)
        parts = parts / parts.mean(1, keepdim=True) - 1
        return torch.nn.functional.normalize(parts, dim=1)


def _unchanged(value: Any) -> Any:
    return value


def failed_checks(checks: Any) -> list[str]:
    return [check.name for check in checks if not check.passed]


class TestFlow:
    @pytest.fixture
    def classical_flow(self) -> Any:
        return registry.load(Flow(backend="dis", long_side=192), "cpu")

    def test_good_flow_passes(self, classical_flow: Any) -> None:
        assert failed_checks(check_flow(classical_flow, "dis", long_side=192)) == []

    @pytest.mark.parametrize(
        ("after", "count"),
        [
            (lambda flow: flow.flip(1), 6),  # y before x
            (lambda flow: -flow, 6),
            (lambda flow: flow / 2, 6),
            (lambda flow: flow + 1, 7),
            (lambda flow: flow * torch.nan, 7),
            (torch.zeros_like, 6),
        ],
    )
    def test_wrong_flow_fails(self, classical_flow: Any, after: Any, count: int) -> None:
        assert len(failed_checks(check_flow(AlteredFlow(classical_flow, after=after), "dis", long_side=192))) == count

    def test_random_weights_fail(self) -> None:
        model = registry.load(FLOW, DEVICE, tiny_store())
        assert len(failed_checks(check_flow(model, "raft_small", long_side=192))) >= 6


def failed_depth_checks(model: Any) -> list[str]:
    first, second = (compute_map(model, frame) for frame in (0, 1))
    return failed_checks([*check_geometry(first, "depth"), check_flicker(first, second, "depth")])


class TestDepth:
    def test_true_depth_passes(self) -> None:
        assert failed_depth_checks(TrueDepth()) == []

    @pytest.mark.parametrize(
        ("alter", "name"),
        [
            (lambda maps: -maps, "rank correlation"),
            (lambda maps: maps.flip(2), "pairs of solids"),
            (lambda maps: maps.flip(1), "rank correlation"),
            (lambda maps: torch.zeros_like(maps), "rank correlation"),
            (lambda maps: maps * torch.nan, "rank correlation"),
            (Growing(), "still scene"),
        ],
    )
    def test_wrong_depth_fails(self, alter: Any, name: str) -> None:
        assert any(name in check_name for check_name in failed_depth_checks(TrueDepth(alter)))

    def test_random_weights_fail(self) -> None:
        assert failed_depth_checks(registry.load(DEPTH, DEVICE, tiny_store()))


class TestEmbedding:
    def test_a_model_that_sees_scenes_passes(self) -> None:
        assert failed_checks(check_embedding(SceneEmbedding(), "scenes")) == []

    def test_a_model_that_sees_brightness_alone_fails(self) -> None:
        class Brightness(SceneEmbedding):
            def compute(self) -> Tensor:
                mean = self.frames.float().mean((1, 2, 3))
                return torch.stack([torch.cos(mean / 20), torch.sin(mean / 20)], 1)

        assert "a darker near view is closer than another scene" in failed_checks(
            check_embedding(Brightness(), "brightness")
        )

    @pytest.mark.parametrize("config", EMBEDDINGS, ids=lambda config: config.backend)
    def test_random_weights_fail(self, config: Embedding) -> None:
        assert failed_checks(check_embedding(registry.load(config, DEVICE, tiny_store()), config.backend))


def failed_references(model: Any, config: Any) -> list[str]:
    return failed_checks(check_references(model, config, DEVICE, tiny_store()))


@cache
def load_model(config: Any) -> Any:
    """Return the model, which tests that change it load anew by `load_model.__wrapped__`."""
    return registry.load(config, DEVICE, tiny_store())


def randomize_half(network: nn.Module) -> None:
    """Give every other parameter random values, as if the file lacked it."""
    generator = torch.Generator().manual_seed(0)
    for parameter in list(network.parameters())[::2]:
        random = torch.randn(parameter.shape, generator=generator).to(parameter.device)
        parameter.copy_((parameter.std(correction=0) + 0.1) * random)


ALTERED_FRAMES = {
    "blue before red": lambda frames: frames.flip(-1),
    "cropped": lambda frames: frames[:, :, frames.shape[2] // 4 :],
    "darker": lambda frames: frames // 2,
}


class TestReferences:
    @pytest.mark.parametrize("config", [FLOW, DEPTH, *EMBEDDINGS], ids=lambda config: config.backend)
    def test_loaded_models_equal_the_library(self, config: Any) -> None:
        (tiny_store().folder(config.backend) / "older.pth").touch()  # another file beside the weights
        assert failed_references(load_model(config), config) == []

    @pytest.mark.parametrize("config", [DEPTH, *EMBEDDINGS], ids=lambda config: config.backend)
    @pytest.mark.parametrize("name", ALTERED_FRAMES)
    def test_altered_frames_fail(self, config: Any, name: str) -> None:
        assert failed_references(AlteredFrames(load_model(config), ALTERED_FRAMES[name]), config)

    @pytest.mark.parametrize(
        "before",
        [lambda frames: frames.flip(1), lambda frames: frames * 0.5 + 0.5, lambda frames: frames * 255],
        ids=["blue before red", "range 0 to 1", "range 0 to 255"],
    )
    def test_altered_input_of_raft_fails(self, before: Any) -> None:
        assert failed_references(AlteredFlow(load_model(FLOW), before), FLOW)

    @pytest.mark.parametrize("config", EMBEDDINGS, ids=lambda config: config.backend)
    def test_another_normalisation_fails(self, config: Embedding) -> None:
        model = load_model.__wrapped__(config)
        normalize = model._prepare._normalize
        normalize._mean.fill_(127.5)
        normalize._std.fill_(127.5)
        assert failed_references(model, config)

    def test_another_activation_of_clip_fails(self) -> None:
        model = load_model.__wrapped__(EMBEDDINGS[0])
        for block in model._network.modules():
            if hasattr(block, "gelu"):
                block.gelu = nn.GELU()
        assert failed_references(model, EMBEDDINGS[0])

    def test_half_loaded_weights_fail(self) -> None:
        raft, depth, clip = (load_model.__wrapped__(config) for config in (FLOW, DEPTH, EMBEDDINGS[0]))
        for network in (raft._model, depth._network, clip._network):
            randomize_half(network)
        assert failed_references(raft, FLOW)
        assert failed_references(depth, DEPTH)
        assert failed_references(clip, EMBEDDINGS[0])


def test_the_table_marks_failed_checks() -> None:
    checks = [
        Check(model="a", name="error", value=0.25, limit=0.5, unit="px"),
        Check(model="a", name="order", value=float("nan"), limit=0.9, least=True),
    ]
    assert [check.passed for check in checks] == [True, False]
    lines = table(checks).splitlines()
    assert [line.split()[1:] for line in lines[2:]] == [
        ["error", "0.25", "px", "≤", "0.5", "px", "ok"],
        ["order", "nan", "≥", "0.9", "FAILED"],
    ]


def test_random_weights_fail_and_the_table_says_why() -> None:
    paper = load_profile("paper")
    small = dataclasses.replace(
        paper,
        flow=dataclasses.replace(paper.flow, backend="raft_small", long_side=192, updates=1),
        depth=dataclasses.replace(paper.depth, long_side=96),
    )
    outcome = try_weights(small, store=tiny_store(), device=DEVICE)
    assert outcome.exit_code == SOME_FAILED
    assert {check["model"] for check in outcome.summary["checks"]} == {"raft_small", "depth_pro", "clip", "dinov2"}
    passed = {check["check"] for check in outcome.summary["checks"] if check["passed"]}
    assert sum("difference to the call of" in name for name in passed) == 5
    assert sum(check["model"] == "depth_pro" for check in outcome.summary["checks"]) == (2 if DEVICE == "cpu" else 4)
    assert outcome.summary["failed"] > 8
    assert "do not use scores of these models" in outcome.text
    assert "raft_small: the weights are not those of a trained model" in outcome.text
    json.loads(outcome.json())


def test_depth_that_passes_on_the_first_frame_is_checked_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hfv_builder.trial.models.check_geometry", lambda *_: [])
    profile = dataclasses.replace(load_profile("lite"), depth=DEPTH)
    assert [check.name.split(" ")[0] for check in check_models(profile, DEVICE, tiny_store())] == [
        "change",
        "difference",
    ]


def test_a_missing_gpu_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(UsageError, match="no GPU"):
        try_weights(load_profile("lite"), store=tiny_store(), device="cuda")
