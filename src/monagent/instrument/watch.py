"""Watched calls: a generator around a call, written once for every kind of function.

What stands before its `yield` runs before the call; the value of `yield` is the call's result; an
exception of the application is raised at the `yield`, to be looked at and let pass. Functions,
coroutines, generators and async generators are driven by the same few lines. A generator ends
with its last item, and its `yield` gives what it returned (None for an async one).
"""

from __future__ import annotations

from monagent import guard
from monagent.instrument import targets
from monagent.instrument.call import Call
from monagent.instrument.identity import (
    at_the_call,
    first_step,
    function_type,
    pass_for,
    proxy,
    step_aside,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from typing import Any

    Observed = Generator[None, Any, None]
    Body = Callable[["Call"], Observed]
else:
    Observed = None

_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80 | 0x100, 0x200  # flags of code objects


def watch(
    module: str,
    path: str,
    *,
    optional: bool = False,
    unless: Callable[[], object] | None = None,
) -> Callable[[Body], Body]:
    """Declare a target that the decorated generator watches. May be stacked for several.

    `unless` is asked first, and saves making the generator where there is nothing to watch.
    """

    def declare(body: Body) -> Body:
        library = targets.library_of(body)
        watcher = Watcher(library, body, "." in path, unless)
        name = body.__qualname__
        targets.add(targets.Target(library, module, path, watcher.wrapper_of, name, optional))
        return body

    return declare


class Watcher:
    """Drives one body around calls; what fails in it is caught in the wrappers."""

    __slots__ = ("body", "is_method", "library", "unless")

    def __init__(
        self,
        library: str,
        body: Body,
        is_method: bool,
        unless: Callable[[], object] | None = None,
    ) -> None:
        self.library = library
        self.body = body
        self.is_method = is_method
        self.unless = unless

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observed | None:
        """Run the part before the `yield`. None: the body has declined or failed."""
        if self.unless is not None and self.unless():
            return None
        try:
            if self.is_method and args:
                observed = self.body(Call(args[0], args[1:], kwargs))
            else:
                observed = self.body(Call(None, args, kwargs))
            observed.send(None)
        except StopIteration:
            return None
        return observed

    def returned(self, observed: Observed, result: Any) -> None:
        """Run the part behind the `yield`."""
        try:
            observed.send(result)
        except StopIteration:
            return
        self._yielded_twice(observed)

    def raised(self, observed: Observed, error: BaseException) -> None:
        """Show the application's exception to the body; its traceback and context stay as is."""
        traceback, context = error.__traceback__, error.__context__
        try:
            observed.throw(error)
        except StopIteration:
            pass
        except BaseException as other:
            # A StopIteration that passes through a generator comes out as its cause.
            if other is not error and other.__cause__ is not error:
                raise
        else:
            self._yielded_twice(observed)
        finally:
            error.__traceback__ = traceback
            error.__context__ = context

    def wrapper_of(self, original: Any) -> Any:
        """The wrapper for a callable, of the callable's own kind."""
        if type(original) is not function_type():
            return proxy(original, lambda args, kwargs: self._call(original, args, kwargs))
        flags = original.__code__.co_flags
        if flags & _ASYNC_GENERATOR:
            wrapper = at_the_call(self._around_async_generator(original), original)
        elif flags & _COROUTINE:
            wrapper = at_the_call(self._around_coroutine(original), original)
        elif flags & _GENERATOR:
            wrapper = at_the_call(self._around_generator(original), original)
        else:
            wrapper = self._around_function(original)
        return pass_for(wrapper, original)

    def _around_function(self, original: Any) -> Any:
        library, call, unless = self.library, self._call, self.unless
        if unless is None:

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                return call(original, args, kwargs)

            return wrapper

        def asking_wrapper(*args: Any, **kwargs: Any) -> Any:
            wanted = False
            try:
                wanted = not unless()  # Its truth may be told by code of ours, too.
            except BaseException as error:
                failed(library, error)
            return call(original, args, kwargs) if wanted else original(*args, **kwargs)

        return asking_wrapper

    def _call(self, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        observed = None
        try:
            observed = self.begin(args, kwargs)
        except BaseException as error:
            failed(self.library, error)
        if observed is None:
            return original(*args, **kwargs)
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            try:
                self.raised(observed, error)
            except BaseException as ours:
                failed(self.library, ours)
            raise
        if type(result) is _COROUTINE_TYPE:  # a plain function that hands on a coroutine
            return self._awaited(observed, result)
        try:
            self.returned(observed, result)
        except BaseException as error:
            failed(self.library, error)
        return result

    async def _awaited(self, observed: Observed, coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            result = await coroutine
        except BaseException as error:
            try:
                self.raised(observed, error)
            except BaseException as ours:
                failed(self.library, ours)
            raise
        try:
            self.returned(observed, result)
        except BaseException as error:
            failed(self.library, error)
        return result

    def _around_coroutine(self, original: Any) -> Any:
        library, begin, returned, raised = self.library, self.begin, self.returned, self.raised

        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            observed = None
            try:
                observed = begin(args, kwargs)
            except BaseException as error:
                failed(library, error)
            if observed is None:
                return await original(*args, **kwargs)
            try:
                result = await original(*args, **kwargs)
            except BaseException as error:
                try:
                    raised(observed, error)
                except BaseException as ours:
                    failed(library, ours)
                raise
            try:
                returned(observed, result)
            except BaseException as error:
                failed(library, error)
            return result

        return wrapper

    def _around_generator(self, original: Any) -> Any:
        library, begin, returned, raised = self.library, self.begin, self.returned, self.raised

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            observed = None
            try:
                observed = begin(args, kwargs)
            except BaseException as error:
                failed(library, error)
            if observed is None:
                return (yield from original(*args, **kwargs))
            try:
                result = yield from original(*args, **kwargs)
            except BaseException as error:
                try:
                    raised(observed, error)
                except BaseException as ours:
                    failed(library, ours)
                raise
            try:
                returned(observed, result)
            except BaseException as error:
                failed(library, error)
            return result

        return wrapper

    def _around_async_generator(self, original: Any) -> Any:
        library, begin, returned, raised = self.library, self.begin, self.returned, self.raised

        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            observed = None
            try:
                observed = begin(args, kwargs)
            except BaseException as error:
                failed(library, error)
            items = original(*args, **kwargs)
            step = first_step(items)
            try:
                while True:
                    try:
                        item = await step
                    except StopAsyncIteration:
                        break
                    try:
                        sent = yield item
                    except GeneratorExit:
                        await items.aclose()
                        raise
                    except BaseException as error:
                        step = items.athrow(error)
                    else:
                        step = items.asend(sent)
            except BaseException as error:
                try:
                    if observed is not None:
                        raised(observed, error)
                except BaseException as ours:
                    failed(library, ours)
                raise
            try:
                if observed is not None:
                    returned(observed, None)
            except BaseException as error:
                failed(library, error)

        return wrapper

    def _yielded_twice(self, observed: Observed) -> None:
        observed.close()
        raise RuntimeError(f"{self.body.__qualname__}: found a second yield, expected one")


def failed(library: str, error: BaseException) -> None:
    """A body has failed; one that keeps failing is taken off its targets."""
    guard.failed(library, error)
    if guard.off(library):
        targets.undo(library)


async def _nothing() -> None:
    """Its coroutine's type is wanted; `types` would have to be imported."""


_coroutine = _nothing()
_coroutine.close()
_COROUTINE_TYPE = type(_coroutine)

step_aside(Watcher._call)
step_aside(Watcher._awaited)
