"""Profiles: named, frozen choices of backends and parameters, read from TOML."""

import dataclasses
import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from hfv_builder.backends.specs import BACKENDS, Kind, names
from hfv_builder.clips.sources import check_name
from hfv_builder.records import Metric, UsageError

Pool = Literal["mean", "top20"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]
"""How a learnt model computes. `auto` is fp16 on CUDA and fp32 elsewhere. fp16, not bf16, where flicker is measured:
bf16 has three bits less."""
SMALLEST = 16
"""Pixels; the smallest long side of frames, flow and maps."""
STRICT = ConfigDict(extra="forbid", strict=True)


def _known(kind: Kind) -> AfterValidator:
    """Return the check that a backend of this kind has that name."""
    choices = names(kind)

    def check(name: str) -> str:
        if name not in choices:
            known = {"name": name, "kind": kind, "choices": " or ".join(choices)}
            raise PydanticCustomError("backend", "{name} is no {kind} backend; choose {choices}", known)
        return name

    return AfterValidator(check)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Flow:
    """Optical flow between adjacent frames."""

    backend: Annotated[str, _known("flow")]
    long_side: PositiveInt
    """Pixels; flow is estimated on frames no larger than this and scaled back."""
    updates: PositiveInt = 12
    """Recurrent updates of RAFT; classical flow has none."""
    precision: Precision = "auto"
    compile: bool = False
    """Whether `torch.compile` is used: a minute more at the start, less for every clip."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Depth:
    """Depth maps of the frames, and how they are compared."""

    backend: Annotated[str, _known("depth")]
    long_side: PositiveInt
    """Pixels; the size at which maps are kept and compared."""
    scale: Literal["percentile", "none"]
    """`percentile` maps the clip's 2nd to 98th percentile to [0, 1]; `none` takes the maps as they are."""
    align: Literal["none", "scale"] = "none"
    """`scale` multiplies the second map of each pair by the least-squares factor over visible pixels: it forgives a
    drift of the whole map, which a viewer cannot see, and with it some of the flicker."""
    flow_on: Literal["depth", "rgb"] = "depth"
    """Where the flow that warps the maps is estimated. `depth` is the paper's text, but depth maps have little to match
    and the flow may follow the very flicker it should show; `rgb` has all texture, and costs no flow of its own."""
    precision: Precision = "auto"
    compile: bool = False
    """Whether `torch.compile` is used: a minute more at the start, less for every clip."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Embedding:
    """A vector for every frame."""

    backend: Annotated[str, _known("embedding")]
    region: Literal["frame", "subject"] = "frame"
    """What a colour histogram is taken of; the learnt models see the whole frame."""
    precision: Precision = "auto"
    compile: bool = False
    """Whether `torch.compile` is used: a minute more at the start, less for every clip."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Spatial:
    """The spatial score: warp error of the depth maps."""

    pool: Pool
    occlusion: bool
    """Whether occluded pixels are left out."""
    scaling: bool = False
    """Whether the score is raised by how much of the flow acceleration is sudden growth: an anomaly of space."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Motion:
    """The motion score: warp error of the frames, or acceleration of the flow."""

    metric: Literal["warp_error", "flow_acceleration"]
    pool: Pool
    occlusion: bool
    """Whether occluded pixels are left out of the warp error; flow acceleration leaves none out."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Profile:
    """Everything that decides the scores, except the revisions of the backends."""

    name: str
    decoder: Literal["pyav", "decord"]
    pairs: NonNegativeInt
    """Adjacent pairs taken from the clip, spread evenly; 0 takes every pair. Flow acceleration takes as many runs of
    three frames."""
    rate: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Frames per second that are looked at, those nearest to multiples of 1/rate seconds, as if there were no others;
    0 looks at all. Clips that are not faster keep all their frames."""
    min_decoded: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.9
    """Share of a clip's frames that must be decodable; with less it has no score. decord decodes all or nothing."""
    long_side: NonNegativeInt
    """Pixels; frames are shrunk to this before anything else; 0 keeps their size."""
    flow: Flow
    depth: Depth
    background: Embedding
    subject: Embedding
    spatial: Spatial
    motion: Motion
    evidence: bool = True
    """Whether a picture of each metric's worst moment is kept for reviewers; decides no score."""

    def looks_at_runs(self, metric: Metric) -> bool:
        """Whether the metric compares the flow of one pair with that of the next, and so needs three frames."""
        if metric is Metric.SPATIAL:
            return self.spatial.scaling
        return metric is Metric.MOTION and self.motion.metric == "flow_acceleration"

    @property
    def runs(self) -> bool:
        """Whether any metric needs three frames: all metrics look at the same ones."""
        return any(map(self.looks_at_runs, Metric))


SECTIONS = ("flow", "depth", "background", "subject")
"""The sections of a profile that each describe a model."""


def for_device(profile: Profile, device: str) -> Profile:
    """The profile with every `auto` precision replaced by what it means on this device; doing so twice is harmless.

    >>> for_device(load_profile("paper"), "cuda").flow.precision
    'fp16'
    """
    return dataclasses.replace(profile, **{name: _with_precision(getattr(profile, name), device) for name in SECTIONS})


def _with_precision(section: Any, device: str) -> Any:
    if BACKENDS[section.backend].weights is None:
        return dataclasses.replace(section, precision="fp32", compile=False)
    if section.precision != "auto":
        return section
    return dataclasses.replace(section, precision="fp16" if device.startswith("cuda") else "fp32")


def profile_names() -> list[str]:
    """The names of the profiles that come with the package."""
    folder = resources.files("hfv_builder") / "profiles"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_profile(name: str) -> Profile:
    """The profile of that name, or the one in the TOML file of that path.

    A user's file starts from the profile named by its `base` (`paper` unless it says otherwise) and overrides
    any field of it; its scores carry the file's name, which names folders of the manifests too.

    Raises:
        UsageError: there is no such profile, or the file is not right; the sentence says where.
    """
    known = profile_names()
    if name in known:
        text = (resources.files("hfv_builder") / "profiles" / f"{name}.toml").read_text()
        return _profile(name, _parse(text, f"{name}.toml"), f"{name}.toml")
    path = Path(name)
    if path.suffix != ".toml":
        raise UsageError(f"there is no profile {name!r}; choose {' or '.join(known)}, or give a .toml file")
    check_name(path.stem, "profile")
    if path.stem in known:
        raise UsageError(f"{name}: {path.stem} is the name of a profile that comes with hfv; rename the file")
    try:
        own = _parse(path.read_text(), name)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the profile {name} cannot be read: {error}") from None
    base = own.pop("base", "paper")
    if base not in known:
        raise UsageError(f"{name}: base = {base!r} is no profile; choose {' or '.join(known)}")
    start = _parse((resources.files("hfv_builder") / "profiles" / f"{base}.toml").read_text(), base)
    return _profile(path.stem, _merge(start, own), name)


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is not valid TOML: {error}") from None


def _merge(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """`own` over `base`, section by section."""
    merged = dict(base)
    for key, value in own.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _profile(name: str, fields: dict[str, Any], where: str) -> Profile:
    try:
        # By way of JSON, where pydantic takes a table for a dataclass and still allows no other coercion.
        profile = TypeAdapter(Profile).validate_json(json.dumps({**fields, "name": name}, default=str))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        wrong = "is not a field of a profile" if first["type"] == "unexpected_keyword_argument" else first["msg"]
        raise UsageError(f"{where}: {place}: {wrong[0].lower()}{wrong[1:]}") from None
    sides = {
        "long_side": profile.long_side,
        "flow.long_side": profile.flow.long_side,
        "depth.long_side": profile.depth.long_side,
    }
    for field, pixels in sides.items():
        if 0 < pixels < SMALLEST:
            raise UsageError(f"{where}: {field}: {pixels} pixels leave nothing to compare; give at least {SMALLEST}")
    return profile
