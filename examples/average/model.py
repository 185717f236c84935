"""A chain of rods of length 1 in space; bending it costs energy, so that a stiff chain reaches further.

For `bending = 0` the mean square distance from end to end is the number of rods.
"""

import math
import random


def end_to_end(seed, monomers, bending):
    """The square of the distance from end to end of one random chain; the seed makes it the same one every time."""
    draw = random.Random(seed)
    direction = (0.0, 0.0, 1.0)
    end = [0.0, 0.0, 0.0]
    for _ in range(monomers):
        direction = next_rod(direction, bending, draw)
        end = [e + d for e, d in zip(end, direction)]
    return sum(e * e for e in end)


def next_rod(direction, bending, draw):
    """A rod at an angle t to the one before, with the weight exp(bending * cos t)."""
    u = draw.random()
    if bending == 0:
        cosine = 2 * u - 1
    else:
        # The integral of the weight over the cosine, inverted.
        cosine = 1 + math.log(u + (1 - u) * math.exp(-2 * bending)) / bending
    sine = math.sqrt(max(0.0, 1 - cosine * cosine))
    turn = 2 * math.pi * draw.random()
    x, y, z = direction
    # Two directions at right angles to the rod before.
    if abs(z) < 0.9:
        norm = math.hypot(x, y)
        first = (-y / norm, x / norm, 0.0)
    else:
        norm = math.hypot(y, z)
        first = (0.0, -z / norm, y / norm)
    second = (
        y * first[2] - z * first[1],
        z * first[0] - x * first[2],
        x * first[1] - y * first[0],
    )
    return tuple(
        cosine * d + sine * (math.cos(turn) * a + math.sin(turn) * b)
        for d, a, b in zip(direction, first, second)
    )
