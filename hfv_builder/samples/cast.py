"""The cast of a clip: images of its scene, person and object, and of those that an anomaly changes them into."""

from dataclasses import dataclass

import numpy as np

from hfv_builder.samples.body import limb
from hfv_builder.samples.figure import blend_figures, choose_look, draw_figure
from hfv_builder.samples.objects import OBJECTS, draw_object
from hfv_builder.samples.scenes import SCENES, draw_scene
from hfv_builder.samples.spec import SampleSpec
from hfv_builder.samples.sprite import SUPERSAMPLE, Sprite
from hfv_builder.samples.stage import Stage
from hfv_builder.samples.streams import Stream, stream
from hfv_builder.samples.textures import Floats, rgb
from hfv_builder.samples.timeline import Identity

ROPE = rgb(60, 60, 64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cast:
    """The images of a clip as pairs: before and after an appearance change. Without a change both are the same."""

    scenes: tuple[Floats, Floats]
    figures: tuple[dict[str, Sprite], dict[str, Sprite]]
    objects: tuple[Sprite, Sprite]
    object_half_height: float
    """Half the height of the object in units of its size."""
    rope: Sprite

    def background(self, stage: Stage, identity: Identity, index: int) -> Floats:
        """Return the visible part of the scene in a frame, (height, width, 3) float32 RGB, 0 to 255."""
        weight = np.float32(identity.scene[index])
        view = stage.camera.view(self.scenes[0], index)
        return view if weight == 0 else (1 - weight) * view + weight * stage.camera.view(self.scenes[1], index)

    def figure(self, identity: Identity, index: int) -> dict[str, Sprite]:
        """Return the sprites of the person in a frame, by part name."""
        return blend_figures(*self.figures, clothes=identity.clothes[index], body=identity.body[index])

    def object(self, identity: Identity, index: int) -> Sprite:
        """Return the sprite of the object in a frame."""
        return self.objects[0].faded_into(self.objects[1], identity.object[index])


def gather_cast(spec: SampleSpec, stage: Stage, identity: Identity) -> Cast:
    """Draw the cast of a clip. Images that `identity` never shows are not drawn."""
    body = (stage.body_height, stage.action.view)
    look_rng = stream(spec.seed, Stream.LOOK)
    look = choose_look(look_rng)
    figure = other_figure = draw_figure(look, look_rng, *body)
    if identity.clothes.any() or identity.body.any():
        other_rng = stream(spec.seed, Stream.OTHER_LOOK)
        other_figure = draw_figure(choose_look(other_rng, unlike=look), other_rng, *body)

    object_rng = stream(spec.seed, Stream.OBJECT)
    hue, size = object_rng.uniform(), stage.object_size * SUPERSAMPLE
    thing = other_thing = draw_object(stage.action.object, object_rng, size, hue)
    if identity.object.any():
        other_rng = stream(spec.seed, Stream.OTHER_OBJECT)
        kind = other_rng.choice([kind for kind in OBJECTS if kind != stage.action.object])
        other_thing = draw_object(str(kind), other_rng, size, hue + 0.45)

    scene_rng = stream(spec.seed, Stream.SCENE)
    scene_kind = str(scene_rng.choice(list(SCENES)))
    scene = other_scene = draw_scene(scene_kind, scene_rng, spec.width, spec.height)
    if identity.scene.any():
        other_rng = stream(spec.seed, Stream.OTHER_SCENE)
        kind = other_rng.choice([kind for kind in SCENES if kind != scene_kind])
        other_scene = draw_scene(str(kind), other_rng, spec.width, spec.height)

    twine = np.broadcast_to(ROPE, (8, 8, 3))
    thickness = 0.009 * stage.body_height * SUPERSAMPLE
    return Cast(
        scenes=(scene, other_scene),
        figures=(figure, other_figure),
        objects=(thing, other_thing),
        object_half_height=OBJECTS[stage.action.object].half_height,
        rope=limb(twine, stage.body_height, thickness, thickness),
    )
