"""The scenes of the checks."""

from dataclasses import replace

from hfv_builder.trial.solids import Scene, Solid

RED, BLUE, YELLOW = (200.0, 55.0, 45.0), (50.0, 85.0, 190.0), (225.0, 190.0, 60.0)
WHITE, GREEN, BROWN = (225.0, 222.0, 215.0), (60.0, 140.0, 70.0), (125.0, 85.0, 55.0)

YARD = Scene(
    ground=(120.0, 115.0, 105.0),
    seed=1,
    solids=(
        Solid(x=-0.9, z=3.2, size=0.8, colour=RED, round=True),
        Solid(x=0.9, z=4.6, size=1.3, colour=BLUE, round=False),
        Solid(x=-1.6, z=7.0, size=1.9, colour=YELLOW, round=False),
        Solid(x=2.9, z=9.5, size=1.6, colour=WHITE, round=True),
        Solid(x=0.2, z=15.0, size=3.2, colour=GREEN, round=False),
    ),
)
"""Solids from 3 to 15 m, of which near ones hide parts of far ones."""
LAWN = Scene(
    ground=(75.0, 130.0, 60.0),
    seed=2,
    solids=(
        Solid(x=0.2, z=3.6, size=1.0, colour=BROWN, round=False),
        Solid(x=1.7, z=4.2, size=0.5, colour=WHITE, round=True),
        Solid(x=-2.2, z=6.0, size=0.9, colour=YELLOW, round=True),
    ),
)
SQUARE = Scene(
    ground=(190.0, 170.0, 140.0),
    seed=3,
    solids=(
        Solid(x=-1.5, z=4.0, size=1.5, colour=WHITE, round=False),
        Solid(x=0.6, z=5.2, size=1.5, colour=WHITE, round=False),
        Solid(x=2.6, z=6.6, size=1.5, colour=RED, round=False),
        Solid(x=-3.5, z=12.0, size=4.5, colour=BROWN, round=False),
    ),
)
SCENES = (YARD, LAWN, SQUARE)


def beside(scene: Scene) -> Scene:
    """Return the scene from 15 cm to the right and 10 cm nearer."""
    return replace(scene, eye=(scene.eye[0] + 0.15, scene.eye[1] + 0.1))
