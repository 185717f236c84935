"""The Python side of bench-learners: the cases of benches/learner_compare.rs with adaptive 1.5.2.

Usage: bench-learners.py [CASE ...]
"""

import math
import os
import platform
import subprocess
import sys
import time

import adaptive
from adaptive.learner.learner1D import curvature_loss_function, default_loss
from adaptive.learner.learnerND import curvature_loss_function as curvature_nd
from adaptive.learner.learnerND import default_loss as default_nd

CHILDREN = 1000
# The tables of all cases replace those that stand there.
DOCUMENT, BEGIN, END = "benches/README.md", "<!-- learners -->", "<!-- /learners -->"
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


# Name of the case, what it is, number of points, how adaptive makes it, its function, the ratio wanted, and the rate of
# adaptive on the machine by which that was set.
CASES = [
    ("1d_default", "Learner1D, default loss", 10_000, learner_1d, peak, 100, 14_100),
    ("1d_default", "", 100_000, learner_1d, peak, None, 12_000),
    ("1d_curvature", "Learner1D, curvature loss", 10_000, lambda: learner_1d(curvature_loss_function()), peak, 100, 6_500),
    # Our own default loss has no counterpart; the best of adaptive's stands beside it.
    (
        "1d_interpolation_error",
        "Learner1D, `interpolation_error` (adaptive: curvature)",
        10_000,
        lambda: learner_1d(curvature_loss_function()),
        peak,
        None,
        6_500,
    ),
    ("2d", "Learner2D", 1_000, learner_2d, ring, 50, 4_200),
    ("2d", "", 10_000, learner_2d, ring, 300, 350),
    ("nd2", "LearnerND in 2D", 1_000, lambda: learner_nd(2), ring, 20, 6_100),
    ("nd2", "", 5_000, lambda: learner_nd(2), ring, 20, 5_000),
    ("nd2_curvature", "LearnerND in 2D, curvature loss", 1_000, lambda: learner_nd(2, curvature_nd()), ring, None, 2_400),
    ("nd3", "LearnerND in 3D", 1_000, lambda: learner_nd(3), ring, 15, 2_600),
    ("nd3", "", 5_000, lambda: learner_nd(3), ring, 15, 2_100),
    ("nd4", "LearnerND in 4D", 500, lambda: learner_nd(4), ring, 10, 530),
    ("average", "AverageLearner", 100_000, lambda: adaptive.AverageLearner(noise, atol=1e-9), noise, 20, 153_000),
    ("average1d", "AverageLearner1D", 10_000, average1d, noisy, 100, 9_100),
    (
        "integrator",
        "IntegratorLearner",
        10_000,
        lambda: adaptive.IntegratorLearner(jumps, (0.0, 3.0), tol=1e-14),
        jumps,
        20,
        22_100,
    ),
] + [
    (
        f"balancing_{strategy}",
        f"{CHILDREN} balanced by `{strategy}`",
        10_000,
        lambda strategy=strategy: balancing(strategy),
        peak_of_child,
        200 if strategy == "loss_improvements" else None,
        reference,
    )
    for strategy, reference in (("loss_improvements", 1_600), ("loss", 3_200), ("npoints", 5_100), ("cycle", 10_300))
]

GROWTH = [
    ("1d_default", "Learner1D, default loss", [10_000, 100_000, 1_000_000]),
    ("1d_curvature", "Learner1D, curvature loss", [10_000, 100_000, 1_000_000]),
    ("1d_interpolation_error", "Learner1D, `interpolation_error`", [10_000, 100_000, 1_000_000]),
    ("2d", "Learner2D", [1_000, 10_000, 100_000]),
    ("nd2", "LearnerND in 2D", [1_000, 10_000, 100_000]),
    ("nd3", "LearnerND in 3D", [1_000, 5_000, 30_000]),
    ("nd4", "LearnerND in 4D", [500, 2_000, 5_000]),
    ("average", "AverageLearner", [10_000, 100_000, 1_000_000]),
    ("average1d", "AverageLearner1D", [10_000, 100_000, 1_000_000]),
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


def table(head, rows):
    """Prints the rows as they come, and returns all as text."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    print(*lines, sep="\n", flush=True)
    for row in rows:
        lines.append("| " + " | ".join(row) + " |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def compared(ours, wanted):
    for case, title, n, make, function, goal, reference in CASES:
        if wanted and case not in wanted:
            continue
        # In turns, so that both meet the same machine.
        here = ours.rate(case, n)
        took = seconds(make, function, n)
        here = max(here, ours.rate(case, n))
        if took < QUICK:
            took = min(took, seconds(make, function, n))
        there = n / took
        ratios = [f"{here / there:.0f}", str(goal or ""), thousands(reference), f"{here / reference:.0f}"]
        yield [title, f"{n:,}", thousands(here), thousands(there), *ratios]


def grown(ours, wanted, sizes):
    for case, title, own in GROWTH:
        if not wanted or case in wanted:
            yield [title, *(thousands(ours.rate(case, n)) if n in own else "" for n in sizes)]


def machine():
    """What a reader has to know of this machine."""
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    date = time.strftime("%d %B %Y", time.gmtime()).lstrip("0")
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"{date}, {names[0] if names else platform.machine()}, {os.cpu_count()} cores, load before it {load}"


def main():
    wanted = sys.argv[1:]
    names = list(dict.fromkeys(case for case, *_ in CASES))
    unknown = set(wanted) - set(names)
    if unknown:
        sys.exit(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    parts = [f"Drawn up by `scripts/bench-learners`: {machine()}."]
    ours = Ours()
    head = ["points per second", "points", "here", "adaptive", "ratio", "wanted", "reference", "here / reference"]
    parts.append(table(head, compared(ours, wanted)))
    parts.append("How the rates fall as learners grow:")
    sizes = sorted({n for *_, own in GROWTH for n in own})
    parts.append(table(["points", *(f"{n:,}" for n in sizes)], grown(ours, wanted, sizes)))
    ours.end()
    if not wanted:
        with open(DOCUMENT) as file:
            before, rest = file.read().split(BEGIN)
        _, after = rest.split(END)
        with open(DOCUMENT, "w") as file:
            file.write("\n\n".join([before + BEGIN, *parts, END + after]))


if __name__ == "__main__":
    main()
