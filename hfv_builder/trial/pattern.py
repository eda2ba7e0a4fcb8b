"""A smooth coloured pattern that can be sampled at any coordinates, so that a moved scene has no resampling error."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
WAVES = 48
CHROMA = 0.3
"""Strength of the colours relative to that of the lightness."""
WAVELENGTHS = (9.0, 120.0)
"""Shortest and longest wavelength, in units of the coordinates."""


class Pattern:
    """A sum of plane waves with random directions, wavelengths, phases and colours."""

    def __init__(self, seed: int, *, scale: float = 1.0) -> None:
        """Draw the waves.

        Args:
            seed: equal seeds give equal patterns.
            scale: factor of all wavelengths.
        """
        rng = np.random.default_rng(seed)
        low, high = np.log(WAVELENGTHS)
        lengths = np.exp(rng.uniform(low, high, WAVES)) * scale
        angles = rng.uniform(0, 2 * np.pi, WAVES)
        self._waves = 2 * np.pi / lengths * np.stack([np.cos(angles), np.sin(angles)])
        self._phases = rng.uniform(0, 2 * np.pi, WAVES)
        amplitudes = np.sqrt(lengths / lengths.max())
        grey, chroma = rng.normal(0, 1, (WAVES, 1)), rng.normal(0, CHROMA, (WAVES, 3))
        self._colours = (grey + chroma) * amplitudes[:, None]
        self._colours /= np.sqrt((self._colours**2).sum(0) / 2)

    def at(self, x: Floats, y: Floats) -> Floats:
        """Return the colour at each point: (…,) and (…,) to (…, 3), with mean 0 and standard deviation about 1."""
        phases = x[..., None] * self._waves[0] + y[..., None] * self._waves[1] + self._phases
        return np.asarray(np.sin(phases) @ self._colours, np.float64)


def to_uint8(colours: Floats) -> npt.NDArray[np.uint8]:
    """Return colours of mean 0 and deviation 1 as grey levels."""
    return np.clip(np.rint(128 + 38 * colours), 0, 255).astype(np.uint8)
