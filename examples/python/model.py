"""Light through a cavity between two mirrors of thin layers (a Fabry-Perot interferometer).

Each layer is a 2x2 transfer matrix (Abelès); light falls in straight. The line of the cavity is thousands of
times narrower than the band of the mirrors, so equal steps in wavelength would miss it.
"""

import numpy as np

LOW_INDEX = 1.45  # silica
DESIGN = 1.0  # wavelength in µm at which each layer is a quarter of a wave


def layer(index, thickness, wavelength):
    phase = 2 * np.pi * index * thickness / wavelength
    return np.array([[np.cos(phase), 1j * np.sin(phase) / index], [1j * index * np.sin(phase), np.cos(phase)]])


def transmission(wavelength, pairs=6, high_index=2.3):
    """The transmitted share of the power, between 0 and 1; wavelength in µm."""
    high = layer(high_index, DESIGN / (4 * high_index), wavelength)
    low = layer(LOW_INDEX, DESIGN / (4 * LOW_INDEX), wavelength)
    cavity = low @ low  # half a wave
    left = np.linalg.matrix_power(high @ low, pairs - 1) @ high
    right = np.linalg.matrix_power(low @ high, pairs - 1)
    stack = left @ cavity @ high @ right
    # Air on both sides: E and H behind the stack are (1, 1) times the transmitted field.
    electric, magnetic = stack @ np.array([1, 1])
    return abs(2 / (electric + magnetic)) ** 2
