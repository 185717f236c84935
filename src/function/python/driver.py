"""Evaluates one Python function on request: JSON lines on standard input and output.

Started by adaptive-mpi as `python3 -c <calls.py and this text> file|module WHERE NAME INIT`. The protocol is described on the
page of adaptive_mpi::function::program.
"""

import signal
import threading
import time


def shrug(*_):
    """Nothing is done."""


def end_by_sigterm():
    """In a copy of this process that the function has made: that may be ended by it, also while it is in compiled code."""
    if signal.getsignal(signal.SIGTERM) is shrug:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=end_by_sigterm)

# A scheduler sends the signals that stop a job to all of its processes, while the worker may still want the point that
# has begun. Code that wants them installs its own handlers. The worker itself ends this process by SIGKILL.
for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGTERM):
    # A handler, as what the function starts would inherit that a signal is ignored.
    signal.signal(number, shrug)

# User code may print and read as it likes: the protocol has channels of its own.
requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)
sys.stdout.reconfigure(line_buffering=True)
# What was printed before this, by a sitecustomize, may not have ended its line.
replies.write("\n")


def send(line):
    replies.write(line + "\n")
    replies.flush()


def watch(parent):
    """Ends a call that would go on for ever after its worker was killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main():
    threading.Thread(target=watch, args=(os.getppid(),), daemon=True).start()
    how, where, name, init = sys.argv[1:5]
    del sys.argv[1:]
    try:
        function, state = load(how, where, name, init)
    except BaseException as error:  # also sys.exit() at import
        # Ours are this frame and that of `load`; those of importlib are part of the story.
        send(failed(error, 2))
        return
    send(json.dumps({"ready": True}))
    for line in requests:
        send(answer(function, line, **state))


main()
