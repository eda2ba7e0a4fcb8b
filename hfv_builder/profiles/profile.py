"""Profiles: frozen configurations of backends and parameters, read from TOML."""

import dataclasses
import json
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from hfv_builder.backends.specs import BACKENDS, Kind, names
from hfv_builder.clips.sources import check_name
from hfv_builder.records import Metric, UsageError
from hfv_builder.storage.toml_file import parse_toml, read_toml
from hfv_builder.storage.validation import first_problem

Pool = Literal["mean", "top20"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]
"""Precision of a learnt model. `auto` is fp16 on CUDA and fp32 elsewhere. It is not bf16, whose mantissa is three bits
shorter, because the scores measure small differences between frames."""
SMALLEST = 16
"""Pixels; the smallest long side of frames, flow and maps."""
STRICT = ConfigDict(extra="forbid", strict=True)


def _known(kind: Kind) -> AfterValidator:
    """Return a validator for the name of a backend of this kind."""
    choices = names(kind)

    def check(name: str) -> str:
        if name not in choices:
            context = {"name": name, "kind": kind, "choices": " or ".join(choices)}
            raise PydanticCustomError("backend", "{name} is no {kind} backend; choose {choices}", context)
        return name

    return AfterValidator(check)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Flow:
    """Optical flow between adjacent frames."""

    backend: Annotated[str, _known("flow")]
    long_side: PositiveInt
    """Pixels; flow is estimated on frames of at most this size, and scaled to the size of the frames."""
    updates: PositiveInt = 12
    """Number of recurrent updates of RAFT; ignored by classical flow."""
    precision: Precision = "auto"
    compile: bool = False
    """Whether to use `torch.compile`: the first clip takes up to a minute longer, each further one less time."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Depth:
    """Depth maps of the frames, and how pairs of them are compared."""

    backend: Annotated[str, _known("depth")]
    long_side: PositiveInt
    """Pixels; size at which maps are kept and compared."""
    scale: Literal["percentile", "none"]
    """`percentile` maps the 2nd to 98th percentile of the clip to [0, 1]; `none` leaves the maps unchanged."""
    align: Literal["none", "scale"] = "none"
    """`scale` multiplies the second map of each pair by the least-squares factor over visible pixels. This ignores a
    drift of the whole map, which a viewer cannot see, and with it a part of the flicker."""
    flow_on: Literal["depth", "rgb"] = "depth"
    """The images between which the flow that warps the maps is estimated. `depth` follows the text of the paper, but
    depth maps have little texture, and the flow may follow the flicker that it should reveal. `rgb` has more texture
    and needs no second flow estimation."""
    precision: Precision = "auto"
    compile: bool = False
    """Whether to use `torch.compile`: the first clip takes up to a minute longer, each further one less time."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Embedding:
    """Embeddings of the frames."""

    backend: Annotated[str, _known("embedding")]
    region: Literal["frame", "subject"] = "frame"
    """The region of a colour histogram; ignored by learnt models, which use the whole frame."""
    precision: Precision = "auto"
    compile: bool = False
    """Whether to use `torch.compile`: the first clip takes up to a minute longer, each further one less time."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Spatial:
    """The spatial score: warp error of the depth maps."""

    pool: Pool
    occlusion: bool
    """Whether occluded pixels are excluded."""
    scaling: bool = False
    """Whether the score is multiplied by √(s + 0.1), s being the scaling part of the flow acceleration. Sudden growth
    is a spatial anomaly."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Motion:
    """The motion score: warp error of the frames, or flow acceleration."""

    metric: Literal["warp_error", "flow_acceleration"]
    pool: Pool
    occlusion: bool
    """Whether occluded pixels are excluded from the warp error; flow acceleration excludes none."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Profile:
    """Everything that determines the scores, except the revisions of the backends."""

    name: str
    decoder: Literal["pyav", "decord"]
    pairs: NonNegativeInt
    """Number of adjacent pairs to compare, spread evenly over the clip; 0 compares all. Flow acceleration compares the
    same number of runs of three frames."""
    rate: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Frames per second to compare: the frames nearest to multiples of 1/rate seconds, all others are skipped. 0
    compares all frames, and so does a clip that is not faster."""
    min_decoded: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.9
    """Smallest share of a clip's frames that must be decodable for a score. decord decodes all frames or none."""
    long_side: NonNegativeInt
    """Pixels; frames are shrunk to this size first; 0 keeps their size."""
    flow: Flow
    depth: Depth
    background: Embedding
    subject: Embedding
    spatial: Spatial
    motion: Motion
    evidence: bool = True
    """Whether an image of each metric's worst moment is kept for reviewers; does not affect scores."""

    def looks_at_runs(self, metric: Metric) -> bool:
        """Return whether the metric compares the flow of two successive pairs, and so needs runs of three frames."""
        if metric is Metric.SPATIAL:
            return self.spatial.scaling
        return metric is Metric.MOTION and self.motion.metric == "flow_acceleration"

    @property
    def decodes_all(self) -> bool:
        """Whether scoring decodes every frame, with the default decoder."""
        return not self.pairs and not self.rate and self.decoder == "pyav"

    @property
    def runs(self) -> bool:
        """Whether any metric needs runs of three frames. If so, all metrics compare the frames of these runs."""
        return any(map(self.looks_at_runs, Metric))


SECTIONS = ("flow", "depth", "background", "subject")
"""The sections of a profile that describe a model."""


def for_device(profile: Profile, device: str) -> Profile:
    """Return the profile with every `auto` precision replaced by the precision for this device. Idempotent.

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
    """Return the sorted names of the profiles in the package."""
    folder = resources.files("hfv_builder") / "profiles"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def argument(profile: str) -> str:
    """Return the `--profile` argument of `hfv score` for a profile: its name, or the name of its TOML file."""
    return profile if profile in profile_names() else f"{profile}.toml"


def load_profile(name: str) -> Profile:
    """Return the profile with this name, or the one in the TOML file at this path.

    A file overrides fields of the profile named by its `base` (`paper` by default). The profile is named after the
    file, and so are its folders in the manifests.

    Raises:
        UsageError: there is no such profile, or the file cannot be read or is invalid.
    """
    known = profile_names()
    if name in known:
        return _profile(name, _packaged(name), f"{name}.toml")
    path = Path(name)
    if path.suffix != ".toml":
        raise UsageError(f"there is no profile {name!r}; choose {', '.join(known)}, or give a .toml file")
    check_name(path.stem, "profile")
    if path.stem in known:
        raise UsageError(f"{name}: {path.stem} is the name of a profile that comes with hfv; rename the file")
    try:
        overrides = read_toml(path)
    except FileNotFoundError:
        raise UsageError(f"the profile {name} cannot be read: there is no such file") from None
    base = overrides.pop("base", "paper")
    if base not in known:
        raise UsageError(f"{name}: base = {base!r} is no profile; choose {', '.join(known)}")
    return _profile(path.stem, _merge(_packaged(base), overrides), name)


def _packaged(name: str) -> dict[str, Any]:
    """Return the fields of a profile in the package, on top of those of its base if it names one."""
    path = resources.files("hfv_builder") / "profiles" / f"{name}.toml"
    fields = parse_toml(path.read_text(encoding="utf-8"), f"{name}.toml")
    base = fields.pop("base", None)
    return fields if base is None else _merge(_packaged(base), fields)


def _merge(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with the fields of `overrides` replaced, recursively."""
    merged = dict(base)
    for key, value in overrides.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _profile(name: str, fields: dict[str, Any], where: str) -> Profile:
    try:
        # Via JSON: there pydantic's strict mode accepts a table for a dataclass, and still forbids other coercions.
        profile = TypeAdapter(Profile).validate_json(json.dumps({**fields, "name": name}, default=str))
    except ValidationError as error:
        raise UsageError(f"{where}: {first_problem(error, unknown='is not a field of a profile')}") from None
    sides = {
        "long_side": profile.long_side,
        "flow.long_side": profile.flow.long_side,
        "depth.long_side": profile.depth.long_side,
    }
    for field, pixels in sides.items():
        if 0 < pixels < SMALLEST:
            raise UsageError(f"{where}: {field}: {pixels} pixels are too few to compare; give at least {SMALLEST}")
    return profile
