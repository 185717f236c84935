"""Conductance of a disordered wire (Anderson model): transmission against energy, by transfer matrices.

Plain Python, no packages: what a user's first script may look like. One call takes some tens of milliseconds.
"""
import cmath
import random

SITES = 400
REALISATIONS = 400


def transmission(energy, disorder):
    """Mean transmission of `REALISATIONS` wires of `SITES` sites at this energy (hopping 1), in 0..1."""
    k = cmath.acos(energy / 2)
    total = 0.0
    for seed in range(REALISATIONS):
        rng = random.Random(seed)
        # From right to left: an outgoing plane wave, continued through the wire.
        right, left = cmath.exp(1j * k), 1.0 + 0.0j
        for _ in range(SITES):
            site = disorder * (rng.random() - 0.5)
            right, left = left, (energy - site) * left - right
        incoming = (right - left * cmath.exp(-1j * k)) / (cmath.exp(1j * k) - cmath.exp(-1j * k))
        total += 1.0 / abs(incoming) ** 2
    return total / REALISATIONS
