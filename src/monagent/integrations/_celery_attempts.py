"""One attempt to run a Celery task, as the worker's main process sees it, and what it is called.

The first state that is decided counts: a task that is called off while it runs is revoked, whatever
its child still tells.
"""

from __future__ import annotations

from monagent import guard
from monagent.clock import monotonic, time
from monagent.conventions import _sent, jobs
from monagent.integrations import _celery_queues as queues
from monagent.native import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATES = {
    "Retry": jobs.RETRIED,
    "Ignore": jobs.IGNORED,
    "Reject": jobs.REJECTED,
    "SoftTimeLimitExceeded": jobs.TIMED_OUT,
    "TimeLimitExceeded": jobs.TIMED_OUT,
    "Terminated": jobs.REVOKED,
}
"""By the name of an exception of celery or billiard; any other one is a failure."""

REMOTE_TYPES = 200
"""Names of tasks that a program sends without knowing the task: more fold into one."""

ZERO_STARTS = 200
"""Tasks for which all counters exist from the start; a program with more gets the main two."""

IDLE = 1.0
"""Seconds without work after which a message that comes cannot have waited for this worker."""

_clock = _sent.Clock()
_remote: set[str] = set()
_called_off: list[Attempt] = []
stopping = [False]  # the worker stops, and reads yet what its children have told
running = [0]
last = [float("inf")]  # monotonic time when the worker had work last

# The plain way of an attempt, in C: arguments and results are told by the functions themselves.
attempted: Any = getattr(part, "attempted", None)
begun: Any = getattr(part, "attempt_begun", None)
decided: Any = getattr(part, "decided", None)


class _Fields:
    __slots__ = ("_began", "_ended", "_eta", "_lane", "_sent", "status")


if TYPE_CHECKING:
    Fields = _Fields
else:
    Fields = part.Attempt if part else _Fields


class Attempt(Fields):
    """From the arrival of a message to its first decided state."""

    __slots__ = ()

    def __init__(self, request: Any) -> None:
        delivery = request._delivery_info
        app, name = request._app, request._type
        exchange, routing_key = delivery["exchange"], delivery["routing_key"]
        lane = jobs.LANES.get((id(app), exchange, routing_key, name))
        if lane is None:
            lane = jobs.lane(queues.name_of(app, exchange, routing_key), name)
            jobs.keep(jobs.LANES, (id(app), exchange, routing_key, name), lane)
        self.status = jobs.FAILED
        self._lane = lane
        self._began = 0.0
        self._ended = False
        self._eta = request._eta
        self._sent = sent = _sent.read(request._request_dict["properties"].get("message_id"))
        if sent is not None:
            if lane.queue is not None:
                queues.received(lane.queue, sent[0])
            if delivery["redelivered"]:
                self._sent = None  # What it did since it was sent was not waiting alone.

    def begin(self, accepted: float) -> None:
        """The pool has taken it up; `accepted` is of the monotonic clock, which children share."""
        if self._ended:
            return
        self._began = accepted
        waited = None
        if self._sent is not None:
            idle = not running[0] and self._eta is None and monotonic() - last[0] > IDLE
            waited = _clock.age(self._sent, idle)
            if self._eta is not None:
                waited = min(waited, max(0.0, time() - self._eta.timestamp()))
        self._lane.begin(waited)
        running[0] += 1

    def end(self, status: str, seconds: float | None = None) -> None:
        """It is decided. `seconds`: its running time, where the child has told it."""
        if self._ended:
            return
        self._ended = True
        if not self._began:
            self._lane.never_began(status)
            return
        now = monotonic()
        running[0] -= 1
        last[0] = now
        self._lane.end(status, now - self._began if seconds is None else seconds)

    def settle(self) -> None:
        """The worker is through with a failure; `status` is what it made of it."""
        self.end(self.status)


def call_off(request: Any, again: bool) -> None:
    """It is cancelled; in a worker that stops, unless a child has told how it ended."""
    attempt, result = request._monagent, request._apply_result  # a reference, or none
    attempt.status = jobs.RETRIED if again else jobs.REJECTED
    if request.acknowledged:
        attempt.status = jobs.FAILED
    if stopping[0] and hasattr(result and result(), "terminate"):  # Only billiard's has children.
        _called_off.append(attempt)
    else:
        attempt.settle()


def settle_all() -> None:
    """The worker has stopped: no child tells more."""
    stopping[0] = False
    while _called_off:
        _called_off.pop().settle()


def failed(request: Any, error: Any) -> None:
    """It came to this error; what the signal of `call_off` has ended has its status from there."""
    status = status_of(error)
    ended = status == jobs.REVOKED or isinstance(_own(error), (SystemExit, KeyboardInterrupt))
    if not (ended and getattr(request, "_already_cancelled", False)):
        request._monagent.status = status


def _own(error: Any) -> Any:
    wrapped = type(error).__name__ == "ExceptionWithTraceback"  # billiard's, of one from a child
    return error.exc if wrapped else error


def status_of(error: Any) -> str:
    """The state that an exception of a task stands for."""
    error = _own(error)
    for kind in type(error).__mro__:
        if kind.__name__ in STATES and kind.__module__.partition(".")[0] in ("celery", "billiard"):
            return STATES[kind.__name__]
    return jobs.FAILED


def queued(amqp: Any, name: str, options: dict[str, Any]) -> Any:
    """What counts a task that is sent, from the options of the sender."""
    queue, job_type = options.get("queue"), sent_type(amqp, name)
    found = jobs.queued(destination(amqp, options), job_type)
    keyed = "exchange" in options or "routing_key" in options
    if queue is not None and job_type is name and not keyed:
        jobs.keep(jobs.QUEUED, (name, id(queue)), (found, queue))
    return found


def destination(amqp: Any, options: dict[str, Any]) -> str:
    """The queue that a task is sent to, from the options of the sender.

    As in Celery's `send_task_message`: its router always gives a queue, which an exchange and a
    routing key take the message away from, a routing key alone where the queue's exchange reads it.
    """
    queue, exchange = options.get("queue"), options.get("exchange")
    if queue is None and exchange is None:
        queue = amqp.default_queue
    own = getattr(amqp.queues.get(queue) if isinstance(queue, str) else queue, "exchange", None)
    kind = options.get("exchange_type") or getattr(own, "type", "direct")
    routing_key = options.get("routing_key")
    if kind == "direct":
        to_exchange = exchange and routing_key
    else:
        to_exchange = exchange is not None or routing_key
    if queue is None or to_exchange:
        exchange = own if exchange is None else exchange
        return queues.name_of(amqp.app, exchange, routing_key, sent=True)
    return str(queue) if isinstance(queue, str) else queues.label_of(queue)


def sent_type(amqp: Any, name: str) -> str:
    """A task's name as a label; without finalizing the application."""
    if name in amqp.app._tasks or name in _remote:
        return name
    if len(_remote) < REMOTE_TYPES:
        _remote.add(name)
        return name
    return jobs.OTHER


def refused(app: Any, message: Any) -> None:
    """A message whose task is not known, or was called in a wrong way."""
    delivery = message.delivery_info or {}
    queue = queues.name_of(app, delivery.get("exchange"), delivery.get("routing_key"))
    name = (message.headers or {}).get("task")
    known = isinstance(name, str) and name in app._tasks
    jobs.lane(queue, str(name) if known else jobs.OTHER).never_began(jobs.REJECTED)


def waiting_since(now: float) -> None:
    """The worker begins to take messages: what is there already has waited."""
    last[0] = now


def exist(app: Any) -> None:
    """Let the counters of the application's own tasks exist on the queues that they go to."""
    consumed = {queues.label_of(queue): queue for queue in app.amqp.queues.consume_from.values()}
    own = [name for name in app.tasks if not name.startswith("celery.")]
    few = len(own) <= ZERO_STARTS
    for name in own:
        for queue in _expected(app, name, list(consumed)):
            jobs.exist(queue, name, jobs.STATUSES if few else (jobs.SUCCESS, jobs.FAILED))


def _expected(app: Any, name: str, consumed: list[str]) -> list[str]:
    """Queues of this worker where a task may come: by routes that are data; none else is called."""
    if len(consumed) == 1:
        return consumed
    for route in app.amqp.router.routes:
        if type(route).__name__ != "MapRoute":
            return []
        found = route(name)
        if found:
            queue = found.get("queue")
            queue = queue if isinstance(queue, str) or queue is None else queues.label_of(queue)
            return [queue] if queue in consumed else []
    default = app.conf.task_default_queue
    return [default] if default in consumed else []


def eager(trace: Any, name: str) -> Any:
    """A tracer that counts what it runs."""

    def trace_task(*args: Any, **kwargs: Any) -> Any:
        began, status = monotonic(), jobs.SUCCESS
        try:
            lane = jobs.lane(None, name)
            lane.begin()
        except BaseException as error:
            guard.failed("celery", error)
            return trace(*args, **kwargs)
        try:
            traced = trace(*args, **kwargs)
            if traced[1] is not None:
                status = status_of(traced[1].retval)
            return traced
        except BaseException as error:
            status = status_of(error)
            raise
        finally:
            try:
                lane.end(status, monotonic() - began)
            except BaseException as error:
                guard.failed("celery", error)

    return trace_task
