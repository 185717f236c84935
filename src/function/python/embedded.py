"""Calls a function in the interpreter that adaptive-mpi carries, where several ranks evaluate it together.

Follows the text of calls.py. MPI has been initialised by adaptive-mpi, which also finalises it.
"""

import re

function, state = None, {}


def wrong_mpi(extension):
    """Why mpi4py can't be used: its library is made for another MPI than the one in this process. Empty if it can."""
    with open(extension, "rb") as file:
        wanted = {name.decode() for name in re.findall(rb"\0(libmpi(?:ch)?\.so\.\d+)(?=\0)", file.read())}
    with open("/proc/self/maps") as maps:
        loaded = {os.path.basename(line.split()[-1]) for line in maps if "/libmpi" in line}
    if not wanted or not loaded or any(name.startswith(one) for one in wanted for name in loaded):
        return ""
    wanted, loaded = ", ".join(sorted(wanted)), ", ".join(sorted(loaded))
    return f"mpi4py in {extension} needs {wanted}, but adaptive-mpi runs on {loaded}: build mpi4py with the same MPI"


def prepare(how, where, name, init, folder, variables):
    """Loads the function; the reply of a failure, or None. Does not initialise MPI, and needs none."""
    global function, state
    # What the code prints must not end up between the results on standard output.
    sys.stdout = sys.stderr
    os.chdir(folder)
    os.environ.update(variables)
    try:
        import mpi4py

        mpi4py.rc.initialize = mpi4py.rc.finalize = False
        spec = importlib.util.find_spec("mpi4py.MPI")
        why = wrong_mpi(spec.origin) if spec is not None and spec.origin else ""
        if why:
            raise ImportError(why)
        function, state = load(how, where, name, init)
    except BaseException as error:
        return failed(error, 2)


def evaluate(line, communicator):
    """The reply to a request. All ranks of the communicator (as Fortran knows it) call this."""
    from mpi4py import MPI

    return answer(function, line, **{**state, "comm": MPI.Comm.f2py(communicator)})
