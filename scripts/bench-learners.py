"""The Python side of bench-learners: the cases of benches/learner_compare.rs with adaptive 1.5.2.

Usage: bench-learners.py OURS.json, where OURS.json holds points per second by case.
"""

import json
import sys
import time

import adaptive
from adaptive.learner.learner1D import curvature_loss_function, default_loss

CHILDREN = 1000


def peak(x):
    a = 0.01
    return x + a * a / (a * a + (x - 0.2) * (x - 0.2))


def learner_1d(loss=None):
    return adaptive.Learner1D(peak, (-1.0, 1.0), loss_per_interval=loss or default_loss)


def balancing(strategy):
    return adaptive.BalancingLearner([learner_1d() for _ in range(CHILDREN)], strategy=strategy)


def rate(make, n, balanced=False, runs=2):
    """Points per second of n times ask(1) and tell, from an empty learner: the best run."""
    best = 0.0
    for _ in range(runs):
        learner = make()
        start = time.perf_counter()
        for _ in range(n):
            (point,), _ = learner.ask(1)
            learner.tell(point, peak(point[1] if balanced else point))
        best = max(best, n / (time.perf_counter() - start))
    return best


def main():
    with open(sys.argv[1]) as file:
        ours = json.load(file)
    cases = {
        "Learner1D default, N=10000": lambda: rate(learner_1d, 10_000),
        "Learner1D default, N=100000": lambda: rate(learner_1d, 100_000, runs=1),
        "Learner1D curvature, N=10000": lambda: rate(lambda: learner_1d(curvature_loss_function()), 10_000),
    }
    # Our default loss has no counterpart; the best of adaptive's stands beside it.
    cases["Learner1D interpolation_error, N=10000"] = cases["Learner1D curvature, N=10000"]
    for strategy in ("loss_improvements", "loss", "npoints", "cycle"):
        name = f"Balancing {CHILDREN} {strategy}, N=10000"
        cases[name] = lambda strategy=strategy: rate(lambda: balancing(strategy), 10_000, balanced=True)

    print(f"{'points per second':45} {'ours':>11} {'adaptive':>9} {'ratio':>6}")
    for name, measure in cases.items():
        theirs = measure()
        print(f"{name:45} {ours[name]:11,.0f} {theirs:9,.0f} {ours[name] / theirs:6.0f}", flush=True)


if __name__ == "__main__":
    main()
