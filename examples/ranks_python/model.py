"""How strongly a ball of matter scatters light by the momentum q, from a sum over random points in it."""

import numpy as np

POINTS = 200_000


def intensity(q, radius, comm):
    """`comm` holds the ranks that evaluate this point: each takes its part of the ball."""
    mine = POINTS // comm.size + (comm.rank < POINTS % comm.size)
    # Each rank draws points of its own, the same ones for every q, so that the curve is smooth.
    draw = np.random.default_rng([17, comm.rank])
    position = draw.uniform(-radius, radius, (mine, 3))
    inside = position[(position**2).sum(axis=1) <= radius**2]
    wave = np.array([np.cos(q * inside[:, 2]).sum(), len(inside)])
    amplitude, count = comm.allreduce(wave)
    return float((amplitude / count) ** 2)
