"""Calls a Python function as the protocol of adaptive_mpi::function::program says: a request in, a reply out."""

import difflib
import importlib
import importlib.util
import inspect
import json
import os
import sys
import traceback


def whole(text):
    """A text without halves of characters, as those of a file name that does not decode: JSON has none."""
    return text.encode("utf-8", "replace").decode("utf-8")


def failed(error, skip, **reply):
    """The reply that tells of an exception; the first `skip` frames of its traceback are ours."""
    trace = error.__traceback__
    for _ in range(skip):
        trace = trace.tb_next if trace is not None and trace.tb_next is not None else trace
    lines = traceback.format_exception(type(error), error, trace)
    try:
        text = " ".join(str(error).split())
    except BaseException:  # its __str__ may be the user's
        text = "its text can't be made"
    name = type(error).__name__
    reply["error"] = whole(f"{name}: {text}" if text else name)
    reply["traceback"] = whole("".join(lines).rstrip())
    return json.dumps(reply)


def load(how, where, name, init):
    """The function, and the arguments that `init` has made for it."""
    sys.path[:0] = [os.getcwd()]
    if how == "file":
        folder = os.path.dirname(os.path.abspath(where))
        if folder != sys.path[0]:
            sys.path[:0] = [folder]
        stem = os.path.splitext(os.path.basename(where))[0]
        spec = importlib.util.spec_from_file_location(stem, where)
        if spec is None:
            raise ImportError(f"{where} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[stem] = module
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(where)
    function = member(module, where, name)
    return function, (known_to(function, member(module, where, init, " (function.init)")()) if init else {})


def member(module, where, name, key=""):
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, [n for n in dir(found) if n[0] != "_"], 1)
            advice = f", did you mean {near[0]!r}?" if near else ""
            raise AttributeError(f"{where} has no {part!r}{advice}{key}")
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{name!r} in {where} is not a function{key}")
    return found


def known_to(function, state):
    """Those of the arguments that the function has."""
    if state is None:
        return {}
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        what = "a dict with keys that are no text" if isinstance(state, dict) else type(state).__name__
        raise TypeError(f"function.init returned {what}: a dict of arguments is wanted, or nothing")
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of compiled functions, some say nothing
        return state
    if any(one.kind is one.VAR_KEYWORD for one in names.values()):
        return state
    return {name: value for name, value in state.items() if name in names}


def argument(request):
    point = request["point"]
    if "seed" not in request:
        return tuple(point) if isinstance(point, list) else point
    seed = request["seed"]
    rest = tuple(point) if isinstance(point, list) else (point,)
    return (seed, *rest) if rest else seed


def numbers(value, of=None):
    """Numbers, or nested lists of them, that json can write. `of`: the list or array that the value is a part of."""
    if value is None:
        if of is None:
            raise TypeError("the function returned None: is a `return` missing?")
        raise TypeError(f"the function returned {of!r:.80}, where a number is missing or masked: nan stands for that")
    if isinstance(value, (bool, float, int)):
        return float(value)
    if isinstance(value, complex) or is_complex_scalar(value):
        raise TypeError("the function returned a complex number: return its parts, as (z.real, z.imag)")
    if isinstance(value, (list, tuple)):
        return [numbers(item, value if of is None else of) for item in value]
    if hasattr(value, "tolist"):  # arrays and scalars of numpy and its likes
        listed = value.tolist()
        if type(listed) is not type(value):  # as that of numpy.longdouble is: Python has no such numbers
            return numbers(listed, value if of is None else of)
    if hasattr(value, "__float__"):
        return float(value)
    raise TypeError(f"the function returned {type(value).__name__} {value!r:.80}: not a number")


def is_complex_scalar(value):
    """numpy.clongdouble, which is no complex of Python."""
    return getattr(getattr(value, "dtype", None), "kind", None) == "c" and not getattr(value, "shape", ())


def reply_to(value):
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if not isinstance(value, dict):
        return {"value": numbers(value)}
    named = dict(value)
    extra = named.pop("extra", None)
    outputs, kept = {}, {}
    for name, item in named.items():
        if str(name) in outputs or str(name) in kept:
            raise ValueError(f"the function returned two outputs of the name {str(name)!r}")
        item = output(item)
        # Here, because a text that spells a number, as "nan", is one in a reply.
        (outputs if only_numbers(item) else kept)[str(name)] = item
    if not kept:
        return {"value": outputs, "extra": extra}
    more = extra if isinstance(extra, dict) else {} if extra is None else {"extra": extra}
    return {"value": outputs, "extra": {**kept, **more}}


def only_numbers(item):
    return all(map(only_numbers, item)) if isinstance(item, list) else isinstance(item, float)


def has_numbers(value):
    if isinstance(value, list):
        return any(has_numbers(item) for item in value)
    return isinstance(value, float)


def checked(reply, value):
    """The reply, if there is a number in it."""
    numbers = reply["value"]
    if has_numbers(list(numbers.values()) if isinstance(numbers, dict) else numbers):
        return reply
    empty = hasattr(value, "__len__") and len(value) == 0
    what = f"an empty {type(value).__name__}" if empty else f"{value!r:.80}, which has no number"
    raise ValueError(f"the function returned {what}: at least one number is needed")


def output(item):
    """Numbers of a named output; anything else as it is, to be kept with the point."""
    if isinstance(item, (dict, str)) or item is None:
        return item
    try:
        return numbers(item)
    except TypeError:
        if isinstance(item, (list, tuple)):
            return [output(each) for each in item]
        raise


def plain(item):
    """Arrays and scalars of numpy and its likes within records."""
    if hasattr(item, "tolist"):
        listed = item.tolist()
        if type(listed) is not type(item):
            return listed
        if not is_complex_scalar(item):
            return float(item)
    raise TypeError(f"Object of type {type(item).__name__} is not JSON serializable")


def parameter(value):
    if isinstance(value, dict):
        return value["text"]
    return float(value) if value in ("nan", "inf", "-inf") else value


def answer(function, line, /, **more):
    """The reply to a request. `more`: further arguments of the function."""
    request = json.loads(line)
    ours = {"id": request["id"]}
    parameters = {key: parameter(value) for key, value in request["parameters"].items()}
    try:
        value = function(argument(request), **parameters, **more)
    except BaseException as error:  # sys.exit() and KeyboardInterrupt are failures of one point, too
        return failed(error, 1, **ours)
    try:
        return whole(json.dumps({**ours, **checked(reply_to(value), value)}, default=plain, ensure_ascii=False))
    except BaseException as error:
        return failed(error, 99, kind="bad output", **ours)
