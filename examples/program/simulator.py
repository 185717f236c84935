"""A damped, driven oscillator that is computed step by step: requests and replies are JSON lines."""

import json
import math
import sys


def amplitude(frequency, damping, steps=200):
    """The amplitude after the first swings have died away (fourth-order Runge-Kutta)."""
    h, x, v, t, largest = 2 * math.pi / frequency / steps, 0.0, 0.0, 0.0, 0.0
    force = lambda t, x, v: math.cos(frequency * t) - x - damping * v
    swings = math.ceil(12 / damping * frequency / (2 * math.pi)) + 1
    for step in range(swings * steps):
        a1 = force(t, x, v)
        v2, a2 = v + h / 2 * a1, force(t + h / 2, x + h / 2 * v, v + h / 2 * a1)
        v3, a3 = v + h / 2 * a2, force(t + h / 2, x + h / 2 * v2, v + h / 2 * a2)
        v4, a4 = v + h * a3, force(t + h, x + h * v3, v + h * a3)
        x, v, t = x + h / 6 * (v + 2 * v2 + 2 * v3 + v4), v + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4), t + h
        largest = max(largest, abs(x)) if step >= (swings - 1) * steps else 0.0
    return largest


for line in sys.stdin:
    request = json.loads(line)
    reply = {"id": request["id"]}
    try:
        reply["value"] = amplitude(request["point"], request["parameters"]["damping"])
    except (ArithmeticError, ValueError) as error:
        reply["error"] = str(error)
    print(json.dumps(reply), flush=True)
