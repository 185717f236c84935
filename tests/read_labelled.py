"""Opens exported grids as a user of xarray or h5py would.

Usage: read_labelled.py MODULES GRID SLICE AT, where the study is a * x + 3 * y with a = 0.5, 2
"""

import sys

import numpy as np


def with_xarray(grid, cut, at):
    import xarray

    def load(path):
        return xarray.open_dataset(path, engine="h5netcdf").load()

    data = load(grid)
    assert dict(data.sizes) == {"learner": 2, "x": 4, "y": 3}, data
    assert data["value"].dims == ("learner", "x", "y")
    assert set(data.coords) == {"learner", "a", "x", "y"}, data
    assert list(data["a"].values) == [0.5, 2.0] and data["a"].dims == ("learner",)
    assert np.allclose(data["x"], np.linspace(-1, 1, 4)) and np.allclose(data["y"], [0, 1, 2])
    assert np.allclose(data["value"], data["a"] * data["x"] + 3 * data["y"])
    assert abs(float(data["value"].sel(y=1.0, x=-1.0, learner=1)) - 1.0) < 1e-12
    assert data.attrs["name"] == "adaptive" and "[learner]" in data.attrs["study"]

    data = load(cut)
    assert dict(data.sizes) == {"learner": 2, "x": 5} and float(data["y"]) == 0.5
    assert np.allclose(data["value"], data["a"] * data["x"] + 1.5)

    data = load(at)
    assert dict(data.sizes) == {"learner": 2, "point": 3}
    assert data["x"].dims == ("point",) and "x" in data.coords
    expected = (data["a"] * data["x"] + 3 * data["y"])[:, :2]
    assert np.allclose(data["value"][:, :2], expected) and np.isnan(data["value"][:, 2]).all()


def with_h5py(grid, cut, at):
    import h5py

    with h5py.File(grid, "r") as f:
        value = f["value"]
        assert value.shape == (2, 4, 3), value
        scales = [list(dim.keys()) + [scale.name for scale in dim.values()] for dim in value.dims]
        assert scales == [["learner", "/learner"], ["x", "/x"], ["y", "/y"]], scales
        assert h5py.h5ds.is_scale(f["x"].id) and h5py.h5ds.is_attached(value.id, f["x"].id, 1)
        x, y, a = f["x"][:], f["y"][:], f["a"][:]
        assert np.allclose(value[:], a[:, None, None] * x[:, None] + 3 * y)
    with h5py.File(cut, "r") as f:
        assert f["value"].shape == (2, 5) and f["y"][()] == 0.5
    with h5py.File(at, "r") as f:
        assert f["value"].shape == (2, 3) and list(f["x"]) == [0.25, 0.5, 0.0]


if __name__ == "__main__":
    read = with_xarray if "xarray" in sys.argv[1] else with_h5py
    read(*sys.argv[2:])
