"""The scaling part of a flow acceleration holds growth, but no shift and no turn."""

import math

import pytest
import torch

from hfv_builder.metrics.acceleration import lengths_of_parts, mean_length, without_shift

SIZE = 41


def field(across: tuple[float, float], down: tuple[float, float], *, shift: float = 0.0) -> torch.Tensor:
    """Return a linear field inside a disc: x and y components as (per x, per y) from the centre, and a shift in x."""
    y, x = torch.meshgrid(torch.arange(SIZE) - 20.0, torch.arange(SIZE) - 20.0, indexing="ij")
    parts = torch.stack([across[0] * x + across[1] * y + shift, down[0] * x + down[1] * y])
    return (parts * (x.square() + y.square() < 15**2))[None]


@pytest.mark.parametrize("across", [(0.3, 0.0), (-0.3, 0.0), (0.0, 0.0)])
def test_growth_and_stretching_count_as_scaling(across: tuple[float, float]) -> None:
    acceleration = field(across, (0.0, 0.2))
    rest, scaling = lengths_of_parts(acceleration)
    assert scaling.item() > 0.9 * mean_length(acceleration).item()
    assert rest.item() < 0.1 * scaling.item()


@pytest.mark.parametrize(
    "acceleration", [field((0, 0.2), (-0.2, 0)), field((0, 0), (0, 0), shift=2.0)], ids=["turn", "shift"]
)
def test_turns_and_shifts_do_not_count_as_scaling(acceleration: torch.Tensor) -> None:
    rest, scaling = lengths_of_parts(acceleration)
    assert scaling.item() == 0
    assert rest.item() == pytest.approx(mean_length(acceleration).item())


def test_growth_that_explains_little_has_no_scaling_part() -> None:
    accelerations = torch.cat([field((0.1, 0), (0, 0.1), shift=shift) for shift in (0.2, 3.0)])
    (clear_rest, shifted_rest), (clear_scaling, shifted_scaling) = lengths_of_parts(accelerations)
    lengths = mean_length(accelerations)
    assert clear_rest < 0.5 * lengths[0]
    assert (clear_rest + clear_scaling).item() == pytest.approx(lengths[0].item())
    assert (shifted_rest.item(), shifted_scaling.item()) == (pytest.approx(lengths[1].item()), 0)


def test_small_accelerations_have_no_scaling_part() -> None:
    for small in (0.01 * field((1, 0), (0, 1)), torch.zeros(1, 2, 8, 8)):
        rest, scaling = lengths_of_parts(small)
        assert scaling.item() == 0
        assert rest.item() == pytest.approx(mean_length(small).item())


def test_a_field_that_is_not_finite_gives_nan() -> None:
    broken = field((0.3, 0), (0, 0.3))
    broken[0, 0, 3, 3] = math.nan
    assert all(part.isnan().all() for part in lengths_of_parts(broken))


def test_the_shift_of_a_mirrored_flow_is_mirrored() -> None:
    flow = torch.randn(3, 2, 6, 8, generator=torch.Generator().manual_seed(0))
    flip = torch.tensor([-1.0, 1.0])[None, :, None, None]
    assert torch.equal(without_shift(flow.flip(3) * flip), without_shift(flow).flip(3) * flip)
