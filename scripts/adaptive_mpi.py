"""Runs studies of adaptive-mpi on any executor of Python (PEP 3148). One file, standard library only, Python 3.8+.

    from concurrent.futures import ProcessPoolExecutor
    import adaptive_mpi

    def h(x, offset=0.0, a=0.01):
        return x + a**2 / (a**2 + (x - offset)**2)

    if __name__ == "__main__":
        with ProcessPoolExecutor() as executor:
            print(adaptive_mpi.run("adaptive.toml", h, executor))

The learner lives in a process of `adaptive-mpi ask-tell`, which also keeps the results, as `adaptive-mpi run` does:
a run that was killed goes on where it stopped. The protocol is documented in `src/runner/ask_tell/protocol.md`.

A function gets the point as its first argument, and the parameters of the study by name:

    learner               call
    1d, integrator        h(0.5, a=...)
    2d, nd                h((0.5, 0.1), a=...)
    average               h(seed, a=...)
    average1d             h((seed, 0.5), a=...)
    sequence              h(element, a=...)

It returns a number, a list of numbers, an array of numpy, or a dict of named numbers (of which "extra" may be anything
that JSON can hold).
"""

import concurrent.futures
import functools
import json
import numbers
import os
import subprocess
import threading
import time
import traceback
import weakref

__all__ = ["Study", "StudyError", "NotSaved", "FunctionFailed", "run", "workers_of"]

# What launchers of MPI leave to their processes: `ask-tell` is not one of them.
_LAUNCHER_VARIABLES = ("OMPI_", "PMI_", "PMIX_", "PRTE_", "MPI_LOCAL", "HYDRA_", "HYDI_")
_NOT_FINITE = ("inf", "-inf", "nan")
_PICKLING = ("concurrent", "joblib", "loky", "mpi4py")  # where the executors are from that _pickles_exceptions() means
_LOCKED = 7
_TIME_TO_END = 30.0  # seconds
_HOPELESS = 20  # points that were given up, without a value


_open = weakref.WeakSet()  # studies with a process


def _let_go():
    """In a fork of ours, as of a process pool: a study ends with its input, which no other process may hold open."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for study in list(_open):
        for pipe in study._pipes:
            os.dup2(nowhere, pipe, inheritable=False)
    os.close(nowhere)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


class StudyError(Exception):
    """The study refused a request; the text says why. It goes on with the next one."""


class NotSaved(StudyError):
    """The study has a value, but can't write it down."""


class FunctionFailed(Exception):
    """A point failed more often than it may be tried, and `raise_if_retries_exceeded` was set; or all points did."""


class Study:
    """The learner of a study, in a process of its own. All methods may be called from several threads.

    path: the study file; [function] and [goal] may be missing.
    program: the program, as a path or a list of words (default: $ADAPTIVE_MPI_PROGRAM, else adaptive-mpi in PATH).
    checkpoint: False keeps everything in memory.
    options: further options of `adaptive-mpi ask-tell`, as ["--retry-failed"].
    folder: where it runs; a relative path of the study starts here (default: this one). Results lie where the study
        says, from the folder of its file.
    patience: how many seconds to wait for a process before it that still saves its results.
    """

    def __init__(self, path="adaptive.toml", *, program=None, checkpoint=True, options=(), folder=None, patience=10.0):
        program = program or os.environ.get("ADAPTIVE_MPI_PROGRAM") or "adaptive-mpi"
        words = [program] if isinstance(program, (str, os.PathLike)) else list(program)
        words += ["ask-tell", *options] + ([] if checkpoint else ["--no-checkpoint"]) + ["--", path]
        self._lock = threading.Lock()
        self._closed = "the study is closed"
        self.exit_code = None
        deadline = time.monotonic() + patience
        while True:
            self._start(words, folder)
            try:
                #: What the study is: the answer to {"study": true}.
                self.about = self.request(study=True)
                return
            except StudyError:
                if self.exit_code != _LOCKED or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _start(self, words, folder):
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(_LAUNCHER_VARIABLES)
        }
        # In a session of its own: Ctrl-C is for us. When we end, however we end, its input does and it saves.
        self._process = subprocess.Popen(
            [os.fspath(word) for word in words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        self.exit_code = None
        self._pipes = (self._process.stdin.fileno(), self._process.stdout.fileno())
        _open.add(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def request(self, **request):
        """Sends one request of the protocol and returns its answer, a dict. Raises StudyError."""
        # JSON has no halves of characters, as those of a file name that does not decode.
        line = json.dumps(request, default=_plain, ensure_ascii=False).encode(errors="replace") + b"\n"
        with self._lock:
            process = self._process
            if process is None:
                raise StudyError(self._closed)
            try:
                process.stdin.write(line)
                process.stdin.flush()
                answer = process.stdout.readline()
            except BrokenPipeError:
                answer = b""
            except BaseException:  # Ctrl-C above all
                # The next request would take the answer for its own.
                self._closed = "the study is closed, because a request was interrupted: open it again to go on"
                self.exit_code = self._end()
                raise
            if not answer.endswith(b"\n"):
                self.exit_code = self._end()
                text = f"adaptive-mpi ask-tell ended with exit code {self.exit_code}; it said why above"
                raise StudyError(text + _one_of_many())
        answer = json.loads(answer)
        if "error" in answer:
            raise (NotSaved if answer.get("saved") is False else StudyError)(answer["error"])
        return answer

    def ask(self, n=1, tell_pending=True):
        """The next n points, and by how much each is expected to lower the loss: two lists. There may be fewer."""
        request = {"ask": n} if tell_pending else {"ask": n, "tell_pending": False}
        answer = self.request(**request)
        return answer["points"], [_number(improvement) for improvement in answer["loss_improvements"]]

    def tell(self, point, value):
        """Tells the value at a point; it is saved when this returns. Returns the number of values told so far."""
        return self.request(tell=[[point, value]])["npoints"]

    def tell_many(self, points, values):
        """Tells many values at once, which may be faster. Returns the number of values told so far."""
        return self.request(tell_many=[list(pair) for pair in zip(points, values)])["npoints"]

    def tell_pending(self, points):
        """Says that these points are evaluated elsewhere: they are not asked. Returns how many are pending."""
        return self.request(tell_pending=list(points))["pending"]

    def failed(self, point, error, traceback="", given_up=True):
        """Keeps a failed attempt with the results. A point that is given up is not asked again."""
        failure = {"error": str(error), "traceback": traceback, "given_up": given_up}
        return self.request(failed=[[point, failure]])

    def remove_unfinished(self):
        """Forgets the points that were asked and not told: they may be asked again."""
        return self.request(remove_unfinished=True)["pending"]

    def loss(self, real=True):
        """The loss, or what it is expected to be when all pending points are told."""
        return _number(self.request(loss="real" if real else "expected")["loss"])

    def status(self):
        """A dict: npoints, pending, loss, done, and what the learner has beside."""
        return {name: _number(figure) for name, figure in self.request(status=True).items()}

    def save(self):
        """Writes a checkpoint now and returns its path. Values that were told are safe anyway."""
        return self.request(save=True)["saved"]

    def close(self):
        """Saves and ends the process; returns its exit code."""
        with self._lock:
            if self._process is not None:
                self.exit_code = self._end()
            return self.exit_code

    def _end(self):
        process, self._process = self._process, None
        _open.discard(self)
        # It may still be writing a long answer: where nobody reads on, it ends too.
        process.stdout.close()
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass
        # If somebody else holds its input open it saves all the same; nothing that was told is lost in any case.
        for harder in (process.terminate, process.kill):
            try:
                return process.wait(_TIME_TO_END)
            except subprocess.TimeoutExpired:
                harder()
        return process.wait()

    def call(self, point):
        """The arguments of a function for a point: the first one, and a dict of parameters by name."""
        child = 0
        if self.about["learners"] is not None:
            child, point = point
        if self.about["indexed"]:
            point = point[1]
        parameters = self.about["parameters"][child]
        return _tuples(point), {name: _parameter(value) for name, value in parameters.items()}


def run(
    study,
    function,
    executor,
    ntasks=None,
    goal=None,
    retries=None,
    raise_if_retries_exceeded=False,
    grace=30.0,
):
    """Evaluates function at the points of a study until its goal, and returns the last status.

    study: a Study, or the path of its file.
    executor: anything with a submit() of PEP 3148: threads, processes, loky, mpi4py.futures, dask's
        client.get_executor(), ipyparallel's client.executor().
    ntasks: points in flight (default: as many as the executor has workers).
    goal: called with the status, true when the run is over (default: the goal in the study file). The run also ends
        when the learner has nothing left to ask.
    retries: how often a failed point is tried again (default: as the study file says). Then it is given up and kept
        under failures: `adaptive-mpi status --failures`.
    raise_if_retries_exceeded: raise FunctionFailed instead.
    grace: how many seconds to wait at the end for points that can't be cancelled any more.

    Raises FunctionFailed, too, where the first 20 points (or two for each one in flight, if that is more) were given up
    and no other got a value: the function itself is broken, and a run that went on would give up all that is asked. So
    it does where an earlier run came to that, and the learner asks for nothing more.
    """
    if not isinstance(study, Study):
        with Study(study) as opened:
            return run(opened, function, executor, ntasks, goal, retries, raise_if_retries_exceeded, grace)
    runner = _Runner(study, function, executor, retries, raise_if_retries_exceeded)
    ntasks = workers_of(executor) if ntasks is None else ntasks
    if ntasks < 1:
        raise ValueError(f"ntasks is {ntasks}: at least one point has to be in flight")
    reached = goal or (lambda status: status["done"])
    try:
        while True:
            while not reached(study.status()) and runner.fill(ntasks):
                runner.wait()
            is_reached = reached(study.status())
            runner.finish(grace)
            status = study.status()
            # What was in flight may have raised the loss above the goal again.
            if not is_reached or reached(status) or runner.in_flight:
                break
            if runner.raises and runner.first_given_up:
                what, why = runner.first_given_up
                raise FunctionFailed(f"a point was given up: {what}") from why
        if runner.doubts(ntasks) and not reached(status):
            raise FunctionFailed(
                f"all of the first {runner.given_up} points failed, for example {runner.first_given_up[0]}"
            ) from runner.first_given_up[1]
        if runner.tried == status["npoints"] == 0 and status.get("given_up") and not reached(status):
            raise FunctionFailed(
                f"all of the first {status['given_up']} points failed earlier, and nothing else is asked; once the"
                " function is mended, open the study with options=['--retry-failed']"
            )
        return status
    finally:
        runner.cancel()


class _Runner:
    def __init__(self, study, function, executor, retries, raise_if_retries_exceeded):
        self.study = study
        self.function = function
        self.executor = executor
        self.retries = study.about["retries"] if retries is None else retries
        self.raises = raise_if_retries_exceeded
        # dask keeps the outcome of equal calls, failures too: a point that is tried again would not be evaluated.
        self.options = {"pure": False} if hasattr(executor, "_client") else {}
        # Workers of others (dask, ipyparallel, executorlib) may be where this file is not.
        self.watched = _pickles_exceptions(executor)
        self.in_flight = {}  # future -> (point, attempt)
        self.again = []
        self.finishing = False
        self.tried = 0
        self.values = 0
        self.given_up = 0
        self.first_given_up = None  # what and why

    def doubts(self, ntasks):
        """Whether so many points failed, and none got a value, that nothing new is asked."""
        return self.values == 0 and self.given_up >= max(_HOPELESS, 2 * ntasks)

    def fill(self, ntasks):
        """Hands out points until ntasks are in flight; False if there are none left."""
        room = ntasks - len(self.in_flight)
        work = [self.again.pop(0) for _ in range(min(room, len(self.again)))]
        if len(work) < room and not self.doubts(ntasks):
            work += [(point, 0) for point in self.study.ask(room - len(work))[0]]
        for point, attempt in work:
            argument, parameters = self.study.call(point)
            # Parameters by name could be taken for options of the executor, as `workers` by dask's.
            if self.watched:
                call = functools.partial(_outcome, self.function, parameters)
            else:
                call = functools.partial(self.function, **parameters)
            future = self.executor.submit(call, argument, **self.options)
            self.tried += 1
            self.in_flight[future] = (point, attempt)
        return bool(self.in_flight)

    def wait(self, timeout=None):
        """Waits for results and takes all that are there."""
        first = concurrent.futures.FIRST_COMPLETED
        done = concurrent.futures.wait(list(self.in_flight), timeout=timeout, return_when=first).done
        # In the order of asks, so that one worker gives the same run each time.
        for future in [future for future in self.in_flight if future in done]:
            self.take(future, *self.in_flight.pop(future))

    def take(self, future, point, attempt):
        try:
            error = future.exception()
            if error is not None and not isinstance(error, Exception):
                raise RuntimeError(f"{type(error).__name__}: {error}") from error  # sys.exit(), where it is not watched
            value = future.result()
            value, failed = value if self.watched else (value, None)
            if failed is None:
                self.study.tell(point, _checked(value))
                self.values += 1
        except (concurrent.futures.BrokenExecutor, NotSaved):
            raise  # no fault of this point
        except StudyError as error:
            if self.study.exit_code is not None:
                raise
            self.failure(point, attempt, error, "bad output")
        except Exception as error:
            self.failure(point, attempt, error, "error")
        else:
            if failed is not None:
                message, trace = failed
                self.failed(point, attempt, message, trace, "error", _InWorker(trace))

    def failure(self, point, attempt, error, kind):
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        message = str(error) if kind == "bad output" else f"{type(error).__name__}: {error}"
        self.failed(point, attempt, message, text, kind, error)

    def failed(self, point, attempt, message, trace, kind, error):
        given_up = attempt >= self.retries
        report = {"error": message, "traceback": trace, "kind": kind, "given_up": given_up}
        self.study.request(failed=[[point, report]])
        if not given_up:
            self.again.append((point, attempt + 1))
            return
        self.given_up += 1
        self.first_given_up = self.first_given_up or (f"{point}: {message}", error)
        if self.raises and not self.finishing:
            raise FunctionFailed(f"the point {point} failed {attempt + 1} times: {message}") from error

    def finish(self, grace):
        """The goal is reached: what did not begin is for later, what runs is waited for."""
        deadline = time.monotonic() + grace
        for future in list(self.in_flight):
            if future.cancel():
                self.again.append(self.in_flight.pop(future))
        self.finishing = True
        while self.in_flight and time.monotonic() < deadline:
            self.wait(max(0.0, deadline - time.monotonic()))
        self.finishing = False

    def cancel(self):
        for future in self.in_flight:
            future.cancel()


class _InWorker(Exception):
    """What a worker has seen, as text."""

    def __str__(self):
        return "\n" + self.args[0].rstrip()


def _outcome(function, parameters, argument):
    """In a worker: the value and None, or None and the failure as texts.

    An exception that can't be unpickled breaks a whole pool, and would again after each restart.
    """
    try:
        return function(argument, **parameters), None
    except BaseException as error:  # sys.exit() is a failure of one point, too
        trace = error.__traceback__.tb_next or error.__traceback__  # the first frame is this one
        text = "".join(traceback.format_exception(type(error), error, trace))
        return None, (f"{type(error).__name__}: {error}", text)


def _pickles_exceptions(executor):
    """Whether an exception may break the executor, and its workers can import what we can."""
    kinds = (kind for kind in type(executor).__mro__ if kind is not concurrent.futures.Executor)
    return any(kind.__module__.split(".")[0] in _PICKLING for kind in kinds)


def workers_of(executor):
    """How many workers an executor has; the cores of this machine if it does not say."""
    for attribute in ("_max_workers", "num_workers", "_num_workers"):  # the standard library, loky, mpi4py
        number = getattr(executor, attribute, None)
        if isinstance(number, int) and number > 0:
            return number
    view = getattr(executor, "view", None)  # ipyparallel
    client = getattr(executor, "_client", None)  # dask
    if view is not None and hasattr(view, "__len__"):
        return max(1, len(view))
    if client is not None and hasattr(client, "ncores"):
        return max(1, sum(client.ncores().values()))
    return os.cpu_count() or 1


def _checked(value):
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if value is None:
        raise TypeError("the function returned None: is a `return` missing?")
    if isinstance(value, complex):
        raise TypeError("the function returned a complex number: return its parts, as (z.real, z.imag)")
    return value


def _plain(value):
    """For json: arrays and numbers of numpy and its likes."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    if type(plain) is not type(value):  # numpy's longdouble stays what it is
        return plain
    if hasattr(value, "__float__") and (isinstance(value, numbers.Real) or not isinstance(value, numbers.Complex)):
        return float(value)
    raise TypeError(f"{type(value).__name__} {value!r:.80} is no number")


def _number(value):
    return float(value) if isinstance(value, str) and value in _NOT_FINITE else value


def _parameter(value):
    """As the function gets it. A text that could be taken for a number comes as {"text": "nan"}."""
    return value["text"] if isinstance(value, dict) else _number(value)


def _one_of_many():
    """A hint for a script that srun has started several times."""
    rank = os.environ.get("SLURM_PROCID", "0")
    return "" if rank == "0" else f" (this is process {rank} of srun: start the script in one, as by srun -n 1)"


def _tuples(point):
    return tuple(_tuples(part) for part in point) if isinstance(point, list) else point
