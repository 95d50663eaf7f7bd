"""Wrappers that pass for what they wrap: same kind of function, name, signature, docs, pickle.

A function is wrapped by a function of the same kind, not by a proxy object: it costs a fifth of
one, and `type() is`, `copy` and `pickle` hold as well. Callables of other kinds (C functions,
callable objects) get a wrapt proxy, since no Python function could pass for them.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType
    from typing import Any

_COPIED = ("__module__", "__name__", "__qualname__", "__doc__", "__type_params__")
_ASIDE = " (as of importlib._bootstrap)>"
_COROUTINE = 0x80  # inspect.CO_COROUTINE
_KINDS = 0x20 | _COROUTINE | 0x200  # of generators, coroutines, async generators
_FLAGS_TELL = sys.implementation.name == "cpython" and sys.version_info >= (3, 11)
_acting: set[Any] = set()
"""Codes with the flag of coroutine functions that do something before the first step."""
_MOST_SHAPES = 100  # of arguments: how many by place, and the names of others
_ANNOTATIONS = "__annotate__" if sys.version_info >= (3, 14) else "__annotations__"


def function_type() -> type[FunctionType]:
    """`types.FunctionType`, without importing `types`."""
    return type(function_type)  # type: ignore[return-value]  # it is the class of this function


def pass_for(wrapper: Any, original: Any) -> Any:
    """Give the function `wrapper` the looks of the function `original`; returns `wrapper`."""
    for attribute in (*_COPIED, _ANNOTATIONS):
        if hasattr(original, attribute):
            setattr(wrapper, attribute, getattr(original, attribute))
    vars(wrapper).update(getattr(original, "__dict__", {}))  # C functions have none
    wrapper.__wrapped__ = original
    _sign(wrapper, original)
    return step_aside(wrapper)


def step_aside(function: Any) -> Any:
    """Have warnings and log records with a `stacklevel` told of whoever calls this function, as if
    it were not there; returns it.

    `warnings._is_internal_frame` and, since 3.11, `logging` pass over the frames of the import
    system, which they know by their file; its brackets tell `trace`, bdb and linecache that there
    is none to open.
    """
    code = getattr(function, "__code__", None)
    # Not one that passes for another file's already.
    if code is not None and code.co_filename in ("<string>", function.__globals__.get("__file__")):
        function.__code__ = code.replace(co_filename=f"<{code.co_filename}{_ASIDE}")
    return function


def with_parameters_of(original: Any, around: Any) -> Any:
    """A function with the parameters of `original` in its very code, handed on to `around`.

    For functions whose code is read to learn what may be given to them: no signature tells it then.
    """
    code = original.__code__
    plain, named = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    names = list(code.co_varnames)
    taken, given = names[:plain], names[:plain]
    if code.co_flags & 0x04:
        taken.append(f"*{names[named]}")
        given.append(f"*{names.pop(named)}")
    elif code.co_kwonlyargcount:
        taken.append("*")
    taken += names[plain:named]
    given += [f"{name}={name}" for name in names[plain:named]]
    if code.co_flags & 0x08:
        taken.append(f"**{names[named]}")
        given.append(f"**{names[named]}")
    if code.co_posonlyargcount:
        taken.insert(code.co_posonlyargcount, "/")
    made: dict[str, Any] = {}
    text = f"lambda _around: lambda {', '.join(taken)}: _around({', '.join(given)})"
    wrapper = eval(text, made)(step_aside(around))  # of a function's own names
    wrapper.__defaults__ = original.__defaults__
    wrapper.__kwdefaults__ = original.__kwdefaults__
    return wrapper


def giving_coroutines(function: Any) -> Any:
    """The function, which returns what a coroutine function gives, as a coroutine function itself.

    What it does before costs no coroutine of its own, none on each step either.  CPython reads from
    the flag of a code what `inspect.iscoroutinefunction` tells, and since 3.11 no more than that:
    the code begins a coroutine by an instruction, `RETURN_GENERATOR`, that this one has not.
    https://docs.python.org/3/library/dis.html#opcode-RETURN_GENERATOR
    """
    if _FLAGS_TELL:
        plain = _flagged(function, _COROUTINE)
        _acting.add(plain.__code__)
        return plain

    async def awaiting(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    step_aside(function)
    return awaiting


def at_the_call(wrapper: Any, original: Any) -> Any:
    """The function `wrapper` of coroutines or generators, which takes what there is, as one that
    refuses wrong arguments when it is called, as `original` does, and not at the first step.

    Only where the flag of a code is no more than that: else it has to begin by itself.
    """
    if not may_be_tried(original):
        return wrapper
    fitting: set[Any] = set()
    step_aside(wrapper).__qualname__ = original.__qualname__
    wrapper.__name__ = original.__name__

    def call(*args: Any, **kwargs: Any) -> Any:
        shape = (len(args), *kwargs) if kwargs else len(args)
        if shape not in fitting:
            try_on(original, args, kwargs, fitting, shape)
        return wrapper(*args, **kwargs)

    return _flagged(call, wrapper.__code__.co_flags & _KINDS)


def may_be_tried(original: Any) -> bool:
    """Whether a call does no more than bind the arguments: not if it is that of another agent's
    wrapper, or of one of ours that passes for a function of coroutines."""
    if not _FLAGS_TELL or type(original) is not function_type():
        return False
    return bool(original.__code__.co_flags & _KINDS) and original.__code__ not in _acting


def try_on(
    original: Any, args: tuple[Any, ...], kwargs: dict[str, Any], fitting: set[Any], shape: Any
) -> None:
    """Raises what a function of coroutines or generators does if arguments do not fit; else their
    shape, which is all that it goes by, is put among those that do."""
    made = original(*args, **kwargs)
    if hasattr(made, "close"):  # A coroutine would warn; async generators have `aclose`.
        made.close()
    if len(fitting) < _MOST_SHAPES:
        fitting.add(shape)


def proxy(original: Any, call: Callable[[tuple[Any, ...], dict[str, Any]], Any]) -> Any:
    """A proxy for a callable that is not a Python function; `call` gets arguments as given."""
    import wrapt  # Costs 100 ms, and hardly any target needs it.

    def enter(_: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return call(args if instance is None else (instance, *args), kwargs)

    return wrapt.FunctionWrapper(original, enter)


def first_step(items: Any) -> Any:
    """The first `__anext__()` of an async generator that another one, ours, will close.

    The event loop is not told of it: at its end it closes all it knows, at the same time, and
    complains of those that it finds being closed already.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return items.__anext__()
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _flagged(function: Any, flag: int) -> Any:
    """A function like it, whose code has the flag too."""
    code = function.__code__
    flagged = code.replace(co_flags=code.co_flags | flag)
    # A new function: since 3.13 one may not be given code of another kind.
    names, defaults = function.__globals__, function.__defaults__
    made = function_type()(flagged, names, code.co_name, defaults, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _sign(wrapper: Any, original: Any) -> None:
    # inspect.getfullargspec does not follow __wrapped__; it does honour __signature__.
    inspect = sys.modules.get("inspect")
    code = wrapper.__code__
    if inspect is None or not code.co_flags & 0x0C:  # *args or **kwargs in the wrapper
        return
    if hasattr(original, "__wrapped__"):  # It was told by its decorator's *args before, too.
        return
    try:
        wrapper.__signature__ = inspect.signature(original)
    except Exception:  # An unreadable annotation: it was unreadable before as well.
        pass
