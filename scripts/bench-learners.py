"""The Python side of bench-learners: the cases of benches/learner_compare.rs with adaptive 1.5.2.

Usage: bench-learners.py [CASE ...]
"""

import math
import subprocess
import sys
import time

import adaptive
from adaptive.learner.learner1D import curvature_loss_function, default_loss
from adaptive.learner.learnerND import curvature_loss_function as curvature_nd
from adaptive.learner.learnerND import default_loss as default_nd

CHILDREN = 1000
OURS = ["cargo", "bench", "--quiet", "--no-default-features", "--bench", "learner_compare"]


def peak(x):
    a = 0.01
    return x + a * a / (a * a + (x - 0.2) * (x - 0.2))


def peak_of_child(point):
    return peak(point[1])


def ring(point):
    q = -0.75 * 0.75
    for x in point:
        q += x * x
    return point[0] + math.exp(-q * q / 0.2**4)


def noise(seed):
    return math.sin(seed * seed)


def noisy(seed_x):
    seed, x = seed_x
    return x * x * x - x + 3 * 0.01 / (0.01 + x * x) + 0.5 * math.sin(seed * seed + 100 * x)


def jumps(x):
    return math.floor(math.exp(x))


def learner_1d(loss=None):
    return adaptive.Learner1D(peak, (-1.0, 1.0), loss_per_interval=loss or default_loss)


def learner_2d():
    return adaptive.Learner2D(ring, ((-1.0, 1.0), (-1.0, 1.0)))


def learner_nd(dim, loss=default_nd):
    bounds = [(-1.0, 1.0)] * dim
    return adaptive.LearnerND(ring, bounds, loss_per_simplex=loss, triangulation_backend="rust")


def balancing(strategy):
    return adaptive.BalancingLearner([learner_1d() for _ in range(CHILDREN)], strategy=strategy)


def average1d():
    return adaptive.AverageLearner1D(noisy, (-1.0, 1.0))


# Name of the case, what it is, number of points, how adaptive makes it, its function, and the ratio wanted.
CASES = [
    ("1d_default", "Learner1D, default loss", 10_000, learner_1d, peak, 100),
    ("1d_default", "Learner1D, default loss", 100_000, learner_1d, peak, None),
    ("1d_curvature", "Learner1D, curvature loss", 10_000, lambda: learner_1d(curvature_loss_function()), peak, 100),
    # Our own default loss has no counterpart; the best of adaptive's stands beside it.
    (
        "1d_interpolation_error",
        "Learner1D, interpolation_error (adaptive: curvature)",
        10_000,
        lambda: learner_1d(curvature_loss_function()),
        peak,
        None,
    ),
    ("2d", "Learner2D", 1_000, learner_2d, ring, 50),
    ("2d", "Learner2D", 10_000, learner_2d, ring, 300),
    ("nd2", "LearnerND in 2D", 1_000, lambda: learner_nd(2), ring, 20),
    ("nd2", "LearnerND in 2D", 5_000, lambda: learner_nd(2), ring, 20),
    ("nd2_curvature", "LearnerND in 2D, curvature loss", 1_000, lambda: learner_nd(2, curvature_nd()), ring, None),
    ("nd3", "LearnerND in 3D", 1_000, lambda: learner_nd(3), ring, 15),
    ("nd3", "LearnerND in 3D", 5_000, lambda: learner_nd(3), ring, 15),
    ("nd4", "LearnerND in 4D", 500, lambda: learner_nd(4), ring, 10),
    ("average", "AverageLearner", 100_000, lambda: adaptive.AverageLearner(noise, atol=1e-9), noise, 20),
    ("average1d", "AverageLearner1D", 10_000, average1d, noisy, 100),
    (
        "integrator",
        "IntegratorLearner",
        10_000,
        lambda: adaptive.IntegratorLearner(jumps, (0.0, 3.0), tol=1e-14),
        jumps,
        20,
    ),
] + [
    (
        f"balancing_{strategy}",
        f"{CHILDREN} balanced by `{strategy}`",
        10_000,
        lambda strategy=strategy: balancing(strategy),
        peak_of_child,
        200 if strategy == "loss_improvements" else None,
    )
    for strategy in ("loss_improvements", "loss", "npoints", "cycle")
]

GROWTH = [
    ("1d_default", [10_000, 100_000, 1_000_000]),
    ("1d_curvature", [10_000, 100_000, 1_000_000]),
    ("1d_interpolation_error", [10_000, 100_000, 1_000_000]),
    ("2d", [1_000, 10_000, 100_000]),
    ("nd2", [1_000, 10_000, 100_000]),
    ("nd3", [1_000, 5_000, 30_000]),
    ("nd4", [500, 2_000, 5_000]),
    ("average", [10_000, 100_000, 1_000_000]),
    ("average1d", [10_000, 100_000, 1_000_000]),
]

# A second run where the first took less than this many seconds.
QUICK = 5.0


class Ours:
    """Our side, which measures a case whenever it is asked."""

    def __init__(self):
        self.process = subprocess.Popen(OURS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def rate(self, case, n):
        self.process.stdin.write(f"{case} {n}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        try:
            return float(answer)
        except ValueError:
            sys.exit(f"{case} {n}: our side answered {answer!r}")

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def seconds(make, function, n):
    """Processor time of n times ask(1) and tell, from an empty learner on."""
    learner = make()
    start = time.process_time()
    for _ in range(n):
        (point,), _ = learner.ask(1)
        learner.tell(point, function(point))
    return time.process_time() - start


def thousands(rate):
    if rate >= 1e6:
        return f"{rate / 1e6:.2f} M"
    return f"{rate / 1e3:.{0 if rate >= 1e5 else 1}f} k" if rate >= 1e3 else f"{rate:.0f}"


def main():
    wanted = sys.argv[1:]
    unknown = set(wanted) - {case for case, *_ in CASES}
    if unknown:
        sys.exit(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(dict.fromkeys(c for c, *_ in CASES))}")
    ours = Ours()
    print("| points per second | points | here | adaptive | ratio | wanted |\n|---|---|---|---|---|---|")
    for case, title, n, make, function, goal in CASES:
        if wanted and case not in wanted:
            continue
        # In turns, so that both meet the same machine.
        here = ours.rate(case, n)
        took = seconds(make, function, n)
        here = max(here, ours.rate(case, n))
        if took < QUICK:
            took = min(took, seconds(make, function, n))
        there = n / took
        limit = "" if goal is None else goal
        row = f"| {title} | {n:,} | {thousands(here)} | {thousands(there)} | {here / there:.0f} | {limit} |"
        print(row, flush=True)

    print("\n| points per second, as the learner grows | | | |\n|---|---|---|---|")
    for case, sizes in GROWTH:
        if not wanted or case in wanted:
            rates = " | ".join(f"{thousands(ours.rate(case, n))} at {n:,}" for n in sizes)
            print(f"| `{case}` | {rates} |", flush=True)
    ours.end()


if __name__ == "__main__":
    main()
