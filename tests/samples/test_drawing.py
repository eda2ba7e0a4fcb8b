"""Drawing: sprites are placed by their anchors, figures stand on the ground, and the camera crops the scene."""

import numpy as np
import pytest

from hfv_builder.samples.actions import ACTIONS
from hfv_builder.samples.camera import Camera
from hfv_builder.samples.figure import SKINS, choose_look
from hfv_builder.samples.objects import OBJECTS, draw_object
from hfv_builder.samples.puppet import drawing_order
from hfv_builder.samples.scenes import SCENES, draw_scene
from hfv_builder.samples.skeleton import SIDES, Stance, pose_joints
from hfv_builder.samples.sprite import Sprite, draw, place
from hfv_builder.samples.textures import CLOTHS, cloth, hsv, noise, rgb


def white_bar() -> Sprite:
    """Return an opaque bar, 8 wide and 40 long, with anchors in the middle of its ends."""
    image = np.zeros((48, 16, 4), np.float32)
    image[4:44, 4:12] = 255
    return Sprite(image, (8, 4), (8, 44))


def test_a_sprite_reaches_from_one_anchor_to_the_other() -> None:
    frame = np.zeros((60, 80, 3), np.float32)
    draw(frame, [place(white_bar(), np.array([20.0, 30.0]), np.array([60.0, 30.0]))])
    rows, columns = np.nonzero(frame[..., 0] > 128)
    assert (columns.min(), columns.max()) == (pytest.approx(20, abs=1), pytest.approx(60, abs=1))
    # Half as wide as the image: sprites have twice the resolution of the frame.
    assert rows.max() - rows.min() + 1 == pytest.approx(4, abs=1)


def test_a_sprite_outside_the_frame_is_left_out() -> None:
    frame = np.zeros((20, 20, 3), np.float32)
    draw(frame, [place(white_bar(), np.array([-90.0, 0.0]), np.array([-90.0, 20.0]))])
    assert not frame.any()


def test_a_shade_darkens_and_a_fade_mixes() -> None:
    frame = np.zeros((30, 30, 3), np.float32)
    bar = white_bar()
    black = Sprite(bar.image * np.array([0, 0, 0, 1], np.float32), bar.top, bar.bottom)
    draw(frame, [place(bar.faded_into(black, 0.25), np.array([15.0, 0.0]), np.array([15.0, 30.0]), shade=0.5)])
    assert frame[15, 15].tolist() == pytest.approx([255 * 0.75 * 0.5] * 3, rel=0.02)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("facing", [-1, 1])
def test_figures_stand_on_the_ground(action: str, facing: int) -> None:
    chosen_action = ACTIONS[action]
    stance = Stance(np.array([100.0, 200.0]), 150.0, chosen_action.view, facing if chosen_action.view == "side" else 1)
    for phase in np.linspace(0, 6, 9):
        joints = pose_joints(chosen_action.pose(phase), stance)
        lowest = max(joints[f"ankle_{side}"][1] for side in SIDES)
        jump = 0.1 if action == "jump" else 0.02
        assert 200 - (0.05 + jump) * 150 < lowest < 201
        assert joints["crown"][1] < joints["neck"][1] < joints["hip"][1]


def test_a_turn_rotates_all_joints_around_the_hips() -> None:
    stance = Stance(np.array([100.0, 200.0]), 150.0, "front", 1)
    pose = ACTIONS["wave"].pose(1.0)
    still, turned = pose_joints(pose, stance), pose_joints(pose, stance, turn=np.pi)
    for name, point in still.items():
        assert turned[name] == pytest.approx(2 * still["hip"] - point)


def test_stretching_a_limb_moves_no_other_joint() -> None:
    stance = Stance(np.array([100.0, 200.0]), 150.0, "side", -1)
    pose = ACTIONS["walk"].pose(1.0)
    natural, long = pose_joints(pose, stance), pose_joints(pose, stance, limb_scale={"arm_left": 2.0})
    assert {name for name in natural if not np.allclose(natural[name], long[name])} == {"elbow_left", "wrist_left"}


def test_drawing_orders_have_every_group_once() -> None:
    orders = [
        drawing_order(action.view, handled=action.handled, swapped=swapped)
        for action in ACTIONS.values()
        for swapped in (False, True)
    ]
    assert {tuple(sorted(order)) for order in orders} == {tuple(sorted(orders[0]))}
    assert len(orders[0]) == 7
    for plain, swapped in zip(orders[::2], orders[1::2], strict=True):
        assert plain.index("object") > plain.index("trunk")
        assert swapped.index("object") < swapped.index("trunk")


def test_unlike_gives_another_look() -> None:
    rng = np.random.default_rng(5)
    for _ in range(30):
        look = choose_look(rng)
        other = choose_look(rng, unlike=look)
        assert abs(look.skin - other.skin) > 1
        assert look.hair != other.hair
        assert 0 <= other.skin < len(SKINS)


@pytest.mark.parametrize("kind", OBJECTS)
def test_objects_fill_their_middle_and_not_their_corners(kind: str) -> None:
    sprite = draw_object(kind, np.random.default_rng(1), 20.0, 0.3)
    side = len(sprite.image)
    assert sprite.image.shape == (side, side, 4)
    assert sprite.image[side // 2, side // 2, 3] == 255
    assert not sprite.image[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert (sprite.image[..., :3] <= sprite.image[..., 3:] + 1e-3).all()


@pytest.mark.parametrize("kind", SCENES)
def test_scenes_are_larger_than_the_frame_and_textured(kind: str) -> None:
    scene = draw_scene(kind, np.random.default_rng(2), 96, 54)
    assert scene.shape == (54 + 2 * 4, 96 + 2 * 24, 3)
    assert scene.dtype == np.float32
    assert scene.min() >= 0
    assert scene.max() <= 255
    assert scene.std() > 15


def test_the_camera_crops_at_whole_pixels_and_interpolates_between_them() -> None:
    camera = Camera(np.array([[3.0, -1.0], [2.5, 0.0]]), np.ones(2), np.ones((20, 30, 3), np.float32))
    x = np.arange(50, dtype=np.float32)
    scene = np.broadcast_to(x[None, :, None], (32, 50, 3)).copy()
    assert np.allclose(camera.view(scene, 0), scene[5:25, 13:43], atol=1e-4)
    assert np.allclose(camera.view(scene, 1)[..., 0], x[12:42] + 0.5, atol=1e-4)


@pytest.mark.parametrize("pattern", CLOTHS)
def test_cloth_has_its_two_colours(pattern: str) -> None:
    red, blue = rgb(200, 30, 30), rgb(30, 30, 200)
    image = cloth(np.random.default_rng(3), 60, 50, (red, blue), pattern=pattern)
    assert image.shape == (60, 50, 3)
    assert image.dtype == np.float32
    assert 25 < image[..., 1].mean() < 35
    assert (pattern == "plain") == (image[..., 2].std() < 20)


def test_colours_and_noise_have_known_values() -> None:
    assert hsv(0.0, 1.0, 1.0).tolist() == [255, 0, 0]
    assert hsv(1 / 3, 1.0, 0.5).tolist() == pytest.approx([0, 127.5, 0])
    assert hsv(1.25, 0.5, 1.0).tolist() == pytest.approx(hsv(0.25, 0.5, 1.0).tolist())
    grain = noise(np.random.default_rng(4), 40, 70, (9.0, 3.0))
    assert grain.shape == (40, 70)
    assert grain.std() == pytest.approx(1, abs=0.01)
