"""What the client does when something goes wrong:  client.py SCENE"""

import os
import pickle
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import adaptive_mpi


class NeedsTwo(Exception):
    """Can be pickled, and not unpickled."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def refuses(x):
    if x > 0.5:
        raise NeedsTwo("one", "two")
    if x > 0.4:
        sys.exit(3)
    return x


def interrupted():
    study = adaptive_mpi.Study(checkpoint=False)
    pipe = study._process.stdout

    class Interrupted:
        close = pipe.close

        def readline(self):
            raise KeyboardInterrupt

    study._process.stdout = Interrupted()
    try:
        study.ask(1)
    except KeyboardInterrupt:
        pass
    try:
        print(study.status())
    except adaptive_mpi.StudyError as error:
        print(error, study.exit_code)


def blocked():
    """An answer that is longer than a pipe, and is not read."""
    study = adaptive_mpi.Study(checkpoint=False)
    study._process.stdin.write(b'{"ask": 100000}\n')
    study._process.stdin.flush()
    time.sleep(1)
    began = time.monotonic()
    print(study.close(), time.monotonic() - began < 20)


def parameters():
    with adaptive_mpi.Study(checkpoint=False) as study:
        print([study.call([learner, 0.5])[1] for learner in range(4)])


def pool():
    with ProcessPoolExecutor(2) as executor:
        print(adaptive_mpi.run("adaptive.toml", refuses, executor)["given_up"])


def failed():
    with ProcessPoolExecutor(1) as executor:
        try:
            adaptive_mpi.run("adaptive.toml", refuses, executor, retries=0, raise_if_retries_exceeded=True)
        except adaptive_mpi.FunctionFailed as error:
            print(error, "|", error.__cause__)


def typo():
    return 1


def broken():
    with ProcessPoolExecutor(2) as executor:
        try:
            adaptive_mpi.run("adaptive.toml", typo, executor)
        except adaptive_mpi.FunctionFailed as error:
            print(error)


class Foreign(Executor):
    """Its workers are where adaptive_mpi is not."""

    def submit(self, function, /, *arguments):
        future = Future()
        if b"adaptive_mpi" in pickle.dumps((function, arguments)):
            future.set_exception(ModuleNotFoundError("No module named 'adaptive_mpi'"))
        else:
            future.set_result(function(*arguments))
        return future


def square(x):
    return x * x


def foreign():
    print(adaptive_mpi.run("adaptive.toml", square, Foreign(), ntasks=1)["npoints"])


def no_text(x):
    if x > 0.5:
        raise ValueError(os.fsdecode(b"no file \xe9"))
    return x


def halves():
    with ThreadPoolExecutor(1) as executor:
        print(adaptive_mpi.run("adaptive.toml", no_text, executor, retries=0)["given_up"])


def numbers():
    import numpy

    with adaptive_mpi.Study(checkpoint=False) as study:
        print(study.tell(numpy.float32(0.5), numpy.array([0.5, 2], dtype=numpy.longdouble)))
        print(study.tell(0.25, [numpy.longdouble("1.5"), numpy.int64(3)]))
        try:
            study.tell(0.75, [numpy.clongdouble(1j), 1])
        except TypeError as error:
            print(error)


def late_results():
    """The goal is reached without two values that are on their way, and not with them."""
    def function(seed):
        if seed in (2, 3):
            time.sleep(0.3)
            return 10.0
        return 1.0

    with ThreadPoolExecutor(4) as executor:
        status = adaptive_mpi.run("adaptive.toml", function, executor)
    print(status["done"], status["npoints"] > 20)


def many():
    """As under `srun -n 4`: another process has the study already."""
    with adaptive_mpi.Study():
        script = "import adaptive_mpi; adaptive_mpi.Study(patience=0)"
        environment = {**os.environ, "SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4"}
        print(subprocess.run([sys.executable, "-c", script], env=environment, stderr=subprocess.PIPE).stderr.decode())


if __name__ == "__main__":
    globals()[sys.argv[1]]()
