"""The Ising model on a small square lattice that closes on itself: spins up and down that like to agree.

Around the temperature 2.27 a large magnet loses its order; a small one does so gradually, and fluctuates most there.
"""

import math
import random


def magnetisation(point, size):
    """The share of spins that agree after some sweeps from full order; the seed makes it the same every time."""
    seed, temperature = point
    draw = random.Random(seed)
    spins = [[1] * size for _ in range(size)]
    # A flip against 2 or 4 neighbours costs energy; all others happen.
    chance = {cost: math.exp(-cost / temperature) for cost in (4, 8)}
    for _ in range(20):
        for i in range(size):
            for j in range(size):
                spin = spins[i][j]
                around = (
                    spins[i - 1][j] + spins[(i + 1) % size][j] + spins[i][j - 1] + spins[i][(j + 1) % size]
                )
                cost = 2 * spin * around
                if cost <= 0 or draw.random() < chance[cost]:
                    spins[i][j] = -spin
    return abs(sum(map(sum, spins))) / size**2
