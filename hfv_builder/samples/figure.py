"""A person: the look, the sprites of the parts, and blending two persons."""

from dataclasses import dataclass

import numpy as np

from hfv_builder.samples import skeleton
from hfv_builder.samples.body import limb, shadow, trunk
from hfv_builder.samples.head import View, head
from hfv_builder.samples.sprite import SUPERSAMPLE, Sprite
from hfv_builder.samples.textures import CLOTHS, Colour, Floats, cloth, hsv, rgb

SKINS = ((236, 196, 166), (214, 164, 124), (166, 116, 82), (112, 76, 54))
HAIRS = ((36, 26, 22), (92, 58, 32), (198, 160, 88), (150, 62, 32), (150, 150, 150))

CLOTHED = frozenset({"trunk", "upper_arm", "thigh", "shin", "foot"})
"""The parts that change with the clothes; all others belong to the body."""

SHOULDER_WIDTH: dict[View, float] = {"front": 0.285, "side": 0.175}
HIP_WIDTH: dict[View, float] = {"front": 0.200, "side": 0.165}
"""Widths of the trunk in body heights."""


@dataclass(frozen=True, eq=False)
class Look:
    """The look of a person: colours, the pattern of the shirt (a key of `CLOTHS`), and clothes."""

    skin: int
    """Index into `SKINS`."""
    hair: int
    """Index into `HAIRS`."""
    shirt_hue: float
    shirt: tuple[Colour, Colour]
    pattern: str
    trousers: Colour
    shoes: Colour
    cap: Colour | None
    logo: Colour | None
    long_hair: bool
    long_sleeves: bool


def choose_look(rng: np.random.Generator, unlike: Look | None = None) -> Look:
    """Return a random look; if `unlike` is given, one that differs clearly from it in skin, hair and shirt."""
    skins, hairs = list(range(len(SKINS))), list(range(len(HAIRS)))
    hue = rng.uniform()
    if unlike is not None:
        skins = [skin for skin in skins if abs(skin - unlike.skin) > 1]
        hairs.remove(unlike.hair)
        hue = unlike.shirt_hue + rng.uniform(0.35, 0.65)
    return Look(
        skin=int(rng.choice(skins)),
        hair=int(rng.choice(hairs)),
        shirt_hue=hue,
        shirt=(hsv(hue, 0.8, 0.85), hsv(hue + rng.uniform(0.2, 0.8), 0.3, 0.95)),
        pattern=str(rng.choice(list(CLOTHS))),
        trousers=hsv(rng.uniform(), 0.45, rng.uniform(0.22, 0.6)),
        shoes=hsv(rng.uniform(), 0.6, rng.uniform(0.2, 0.9)),
        cap=hsv(rng.uniform(), 0.8, 0.8) if rng.uniform() < 0.4 else None,
        logo=hsv(rng.uniform(), 0.9, 0.95) if rng.uniform() < 0.5 else None,
        long_hair=bool(rng.uniform() < 0.5),
        long_sleeves=bool(rng.uniform() < 0.4),
    )


def draw_figure(look: Look, rng: np.random.Generator, body_height: float, view: View) -> dict[str, Sprite]:
    """Return the sprites of all parts of a person of `body_height` frame pixels, by part name."""
    unit = body_height * SUPERSAMPLE

    def fabric(colours: tuple[Colour, Colour], pattern: str = "plain") -> Floats:
        return cloth(rng, round(0.45 * unit), round(0.32 * unit), colours, pattern=pattern, repeat=0.05 * unit)

    skin, hair = rgb(*SKINS[look.skin]), rgb(*HAIRS[look.hair])
    shirt, bare = fabric(look.shirt, look.pattern), fabric((skin, skin))
    trousers, leather = fabric((look.trousers, look.trousers)), fabric((look.shoes, look.shoes))
    wood = np.broadcast_to(rgb(150, 104, 58), (8, 8, 3))
    logo = look.logo if view == "front" else None
    return {
        "trunk": trunk(shirt, skeleton.TRUNK * unit, SHOULDER_WIDTH[view] * unit, HIP_WIDTH[view] * unit, logo),
        "head": head(skin, hair, look.cap, long_hair=look.long_hair, view=view, radius=skeleton.HEAD_RADIUS * unit),
        "upper_arm": limb(shirt, skeleton.UPPER_ARM * unit, 0.040 * unit, 0.034 * unit),
        "forearm": limb(shirt if look.long_sleeves else bare, skeleton.FOREARM * unit, 0.033 * unit, 0.024 * unit),
        "hand": limb(bare, 0.022 * unit, 0.027 * unit, 0.025 * unit),
        "thigh": limb(trousers, skeleton.THIGH * unit, 0.062 * unit, 0.048 * unit),
        "shin": limb(trousers, skeleton.SHIN * unit, 0.047 * unit, 0.034 * unit),
        "foot": limb(leather, 0.07 * unit, 0.033 * unit, 0.024 * unit),
        "stick": limb(wood, 0.14 * unit, 0.008 * unit, 0.008 * unit),
        "shadow": shadow(0.24 * unit),
    }


def blend_figures(
    first: dict[str, Sprite], second: dict[str, Sprite], clothes: float, body: float
) -> dict[str, Sprite]:
    """Return the first person's sprites blended with the second's by these weights of clothes and body, 0 to 1."""
    return {
        name: sprite.faded_into(second[name], clothes if name in CLOTHED else body) for name, sprite in first.items()
    }
