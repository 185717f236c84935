"""A study on any executor of Python. From this folder, with adaptive-mpi in PATH or named by ADAPTIVE_MPI_PROGRAM:

    PYTHONPATH=../../scripts python3 run.py threads
    PYTHONPATH=../../scripts python3 run.py processes
    PYTHONPATH=../../scripts python3 run.py loky
    PYTHONPATH=../../scripts mpiexec -n 4 python3 -m mpi4py.futures run.py mpi
    PYTHONPATH=../../scripts python3 run.py dask

Killed or not, the next start goes on where the results end. `adaptive-mpi status` and `export` show them.
"""

import sys

import adaptive_mpi


def h(x, offset, a):
    return x + a**2 / (a**2 + (x - offset) ** 2)


def executor(kind):
    if kind == "threads":
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(4)
    if kind == "processes":
        from concurrent.futures import ProcessPoolExecutor

        return ProcessPoolExecutor()
    if kind == "loky":
        from loky import get_reusable_executor

        return get_reusable_executor()
    if kind == "mpi":
        from mpi4py.futures import MPIPoolExecutor

        return MPIPoolExecutor()
    if kind == "dask":
        from dask.distributed import Client

        return Client().get_executor()
    sys.exit(f"unknown executor {kind}: threads, processes, loky, mpi or dask")


if __name__ == "__main__":
    with executor(sys.argv[1] if len(sys.argv) > 1 else "threads") as pool:
        status = adaptive_mpi.run("adaptive.toml", h, pool)
    print(f"{status['npoints']} points, loss {status['loss']:.3g}")
