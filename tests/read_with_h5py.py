"""Opens a checkpoint as a user of h5py would, and compares it to what the test wrote.

Usage: read_with_h5py.py FILE
"""

import sys

import h5py
import numpy as np


def main(path):
    with h5py.File(path, "r") as f:
        assert dict(f.attrs)["study"] == 'name = "a"\n# ünïcode\n', f.attrs["study"]
        assert f.attrs["name"] == "study"
        assert f.attrs["format_major"] == 1 and f.attrs["format_minor"] == 2
        assert f.attrs["program"].startswith("adaptive-mpi ")
        assert f.attrs["sequence"] == 1003 and f.attrs["npoints"] == 1000
        assert f.attrs["generation"] == 1
        assert f.attrs["ending"] == "goal"
        assert f.attrs["written"] >= f.attrs["created"] > 1.6e9
        assert list(f.attrs["x_names"]) == ["x", "t"]
        assert list(f.attrs["y_names"]) == ["re", "im"]

        points = f["points"]
        i = np.arange(1000)
        assert points["x"].shape == (1000, 2) and points["x"].dtype == np.float64
        assert np.array_equal(points["x"][:], np.stack([i / 3, -i], axis=1))
        assert points["y"].shape == (1000, 2) and points["y"].dtype == np.float64
        assert np.array_equal(points["y"][:, 0], 1 / (1 + i))
        assert np.isnan(points["y"][0, 1]) and np.all(points["y"][1:, 1] == np.inf)
        assert list(points["y"].attrs["names"]) == ["re", "im"]
        for name, dtype, expected in [
            ("learner", np.uint32, i % 3),
            ("replica", np.uint64, i.astype(np.uint64) + 2**63),
            ("worker", np.uint32, i % 7),
            ("attempt", np.uint32, i % 2),
            ("started", np.float64, 1.6e9 + i),
            ("duration", np.float64, 0.25 * i),
        ]:
            column = points[name]
            assert column.dtype == dtype and column.shape == (1000,), name
            assert np.array_equal(column[:], expected), name
        assert points["started"].attrs["units"] == "seconds since 1970-01-01 00:00:00"
        extra = points["extra"].asstr()[:]
        assert extra[10] == '{"é": 10}' and extra[11] == ""

        learners = f["learners"]
        assert list(learners.attrs["names"]) == ["a", "n", "on", "label"]
        assert learners["a"].dtype == np.float64 and list(learners["a"]) == [0.5, 1.5, 2.5]
        assert learners["n"].dtype == np.int64 and list(learners["n"]) == [-1, 0, 1]
        assert learners["on"].dtype == np.bool_ and list(learners["on"]) == [True, False, True]
        assert list(learners["label"].asstr()) == ["l0", "l1", "l2"]
        assert list(learners["npoints"]) == [334, 333, 333]

        failures = f["failures"]
        names = failures["kind"].attrs["names"]
        assert [names[k] for k in failures["kind"]] == ["timeout"] * 3
        assert list(failures["message"].asstr()) == ["too slow"] * 3
        assert list(failures["given_up"]) == [False, False, True]
        assert list(failures["sequence"]) == [1000, 1001, 1002]
        assert failures["x"].shape == (3, 2)

        in_flight = f["in_flight"]
        assert in_flight["x"].shape == (1, 2) and list(in_flight["x"][0]) == [7.0, 8.0]
        assert list(in_flight["learner"]) == [2]


if __name__ == "__main__":
    main(sys.argv[1])
