"""Runs adaptive.toml on an executor:  executors.py threads|processes|loky|mpi FUNCTION [NTASKS]"""

import json
import math
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import adaptive_mpi


def oscillator(frequency, damping):
    """The largest swing of a driven, damped oscillator, by Runge and Kutta's method."""
    x, v, t, dt, largest = 0.0, 0.0, 0.0, 0.05, 0.0

    def acceleration(x, v, t):
        return math.sin(frequency * t) - damping * v - x

    for _ in range(400):
        k1x, k1v = v, acceleration(x, v, t)
        k2x, k2v = v + dt / 2 * k1v, acceleration(x + dt / 2 * k1x, v + dt / 2 * k1v, t + dt / 2)
        k3x, k3v = v + dt / 2 * k2v, acceleration(x + dt / 2 * k2x, v + dt / 2 * k2v, t + dt / 2)
        k4x, k4v = v + dt * k3v, acceleration(x + dt * k3x, v + dt * k3v, t + dt)
        x += dt / 6 * (k1x + 2 * k2x + 2 * k3x + k4x)
        v += dt / 6 * (k1v + 2 * k2v + 2 * k3v + k4v)
        t += dt
        largest = max(largest, abs(x))
    return largest


def slow(frequency, damping):
    time.sleep(0.02)
    return oscillator(frequency, damping)


failed_once = set()


def flaky(x, damping):
    """Fails at every point once, and at points above 1.5 always."""
    if x > 1.5:
        raise ValueError(f"no value at {x}")
    if (x, damping) not in failed_once:
        failed_once.add((x, damping))
        return None
    return x


def element(point, damping):
    x, y = point
    return {"sum": x + y, "product": x * y * damping, "extra": [x, y]}


def main(kind, function, ntasks=None):
    function = globals()[function]
    if kind == "threads":
        executor = ThreadPoolExecutor(3)
    elif kind == "processes":
        executor = ProcessPoolExecutor(2)
    elif kind == "loky":
        try:
            from loky import get_reusable_executor
        except ImportError:
            from joblib.externals.loky import get_reusable_executor
        executor = get_reusable_executor(max_workers=2)
    else:
        from mpi4py.futures import MPIPoolExecutor

        executor = MPIPoolExecutor()
    with executor:
        status = adaptive_mpi.run("adaptive.toml", function, executor, ntasks and int(ntasks))
        print(json.dumps({"workers": adaptive_mpi.workers_of(executor), "pid": os.getpid(), **status}))


if __name__ == "__main__":
    main(*sys.argv[1:])
