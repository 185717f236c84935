"""A ball thrown at 20 m/s at some angle, slowed down by the air."""

import math

STEP = 1e-3  # s
GRAVITY = 9.81  # m/s^2


def throw(angle, drag):
    """Where and when the ball lands, and what happened on the way; angle in degrees, drag in 1/m."""
    u, v = 20 * math.cos(math.radians(angle)), 20 * math.sin(math.radians(angle))
    x = y = time = top = 0.0
    while y >= 0.0:
        speed = math.hypot(u, v)
        u -= STEP * drag * speed * u
        v -= STEP * (GRAVITY + drag * speed * v)
        x += STEP * u
        y += STEP * v
        time += STEP
        top = max(top, y)
    report = {"top": top, "impact": {"speed": math.hypot(u, v), "steep": -v > u}}
    # Numbers become columns; the report is kept as it is.
    return {"distance": x, "time": time, "report": report}
