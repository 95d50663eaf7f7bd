"""celery: tasks sent, every attempt by how it ended, waiting and running time, queues, beat.

Attempts are counted in the worker's main process, at the few methods of its `Request` that decide
about a message once: it sees what a killed child can no longer tell, so recycled and SIGKILLed
children lose nothing. No signal is connected and no option of a task is read.

Senders add one AMQP property, `message_id` (unless the program sets it): a stamp with the time,
from which the worker tells how long the task waited. Headers stay as they are, since Celery shows
unknown ones to tasks as `self.request.headers` and sends them on with a retry.
"""

from __future__ import annotations

from monagent import guard
from monagent.clock import monotonic
from monagent.conventions import _plumbing, _sent, jobs
from monagent.instrument import Call, Library, Observed, replace, watch
from monagent.instrument.identity import pass_for
from monagent.instrument.targets import undo
from monagent.integrations import _celery_attempts as attempts
from monagent.integrations import _celery_beat as beat
from monagent.integrations import _celery_queues as queues

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "celery",
    versions=">=5.2",
    records=("jobs",),
    covers="tasks sent and run (prefork, threads, solo, gevent, in place), queues, beat",
)


@replace("celery.app.amqp", "AMQP._create_task_sender")
def task_sender(original: Any) -> Any:
    known = jobs.QUEUED

    def _create_task_sender(self: Any) -> Any:
        send = original(self)

        # Without parameters of its own, which Python compares each option's name with.
        def send_task_message(*args: Any, **options: Any) -> Any:
            try:
                message = args[2] if len(args) > 2 else options.get("message", ())
                # Into the properties that it has, over which options win: one option more is
                # looked for among the names of all parameters on its way. A message that is sent
                # again has the stamp of before.
                at = message[1] if len(message) > 1 and type(message[1]) is dict else options
                if str(at.get("message_id") or _sent.MARK).startswith(_sent.MARK):
                    at["message_id"] = _sent.stamped(_sent.BOOT)
            except BaseException as error:
                failed(error)
            sent = send(*args, **options)
            try:
                name = args[1] if len(args) > 1 else options["name"]
                # Routes give a queue's object, mostly the same; a key may lead to another queue.
                keyed = "routing_key" in options or "exchange" in options
                found = None if keyed else known.get((name, id(options.get("queue"))))
                count = found[0] if found else attempts.queued(self, str(name), options)
                count(1.0)
            except BaseException as error:
                failed(error)
            return sent

        return pass_for(send_task_message, send)

    return _create_task_sender


@replace("celery.worker.request", "Request.__init__")
def received(original: Any) -> Any:
    # As `send_task_message` above.
    def __init__(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        try:
            self = args[0]
            made = None
            if attempts.attempted is not None:
                made = attempts.attempted(
                    attempts.Attempt, jobs.LANES, queues.current, _sent.BOOT,
                    self._app, self._delivery_info, self._type, self._eta, self._request_dict,
                )  # fmt: skip
            self._monagent = attempts.Attempt(self) if made is None else made
        except BaseException as error:
            failed(error)

    return __init__


@replace("celery.worker.request", "Request.on_accepted")
def accepted(original: Any) -> Any:
    def on_accepted(self: Any, pid: Any, time_accepted: Any) -> Any:
        begun = attempts.begun
        try:
            attempt = self._monagent
            if begun is None or not begun(attempt, time_accepted, _sent.BOOT, attempts.running):
                attempt.begin(time_accepted)
        except BaseException as error:
            failed(error)
        return original(self, pid, time_accepted)

    return on_accepted


@replace("celery.worker.request", "create_request_cls")
def request_class(original: Any) -> Any:
    """Workers make a subclass for each task; it has an `on_success` of its own."""

    def create_request_cls(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        try:
            if "on_success" in vars(made):
                made.on_success = success(made.on_success)
        except BaseException as error:
            failed(error)
        return made

    return create_request_cls


@replace("celery.worker.request", "Request.on_success")
def success(original: Any) -> Any:
    def on_success(self: Any, failed__retval__runtime: Any, **kwargs: Any) -> Any:
        result, decided = failed__retval__runtime, attempts.decided
        try:
            if not isinstance(result, (tuple, list)):
                # Of SystemExit and its like, in any pool but prefork, Celery tells so, and fails.
                self._monagent.end(attempts.status_of(result.exception))
            elif not result[0]:
                attempt, runtime = self._monagent, result[2]
                # A message delivered twice, its task done before, comes without a running time.
                status = jobs.IGNORED if runtime is None else jobs.SUCCESS
                if decided is None or not decided(
                    attempt, status, runtime, attempts.running, attempts.last, *jobs.PULSE
                ):
                    attempt.end(status, runtime)
        except BaseException as error:
            failed(error)
        if kwargs:
            return original(self, failed__retval__runtime, **kwargs)
        return original(self, failed__retval__runtime)

    return on_success


@replace("celery.worker.request", "Request.on_failure")
def failure(original: Any) -> Any:
    def on_failure(self: Any, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            attempts.failed(self, exc_info.exception)
        except BaseException as error:
            failed(error)
        try:
            return original(self, exc_info, *args, **kwargs)
        finally:
            try:
                self._monagent.settle()
            except BaseException as error:
                failed(error)

    return on_failure


@watch("celery.worker.request", "Request.reject")
def rejected(call: Call) -> Observed:
    yield
    attempt = call.instance._monagent
    if attempt.status == jobs.FAILED and call.argument(0, "requeue", False):
        attempt.status = jobs.REJECTED


@watch("celery.worker.request", "Request._success_was_stored", optional=True)  # from 5.7 on
def lost_after_success(call: Call) -> Observed:
    if (yield):
        call.instance._monagent.status = jobs.SUCCESS


@watch("celery.worker.request", "Request._retry_worker_lost", optional=True)  # from 5.7 on
def lost_and_retried(call: Call) -> Observed:
    if (yield):
        call.instance._monagent.status = jobs.RETRIED


@watch("celery.worker.request", "Request.on_timeout")
def timed_out(call: Call) -> Observed:
    if not call.argument(0, "soft"):
        call.instance._monagent.end(jobs.TIMED_OUT)
    yield


@watch("celery.worker.request", "Request._announce_revoked")
def revoked(call: Call) -> Observed:
    call.instance._monagent.end(jobs.REVOKED)
    yield


@watch("celery.worker.consumer.consumer", "Consumer.cancel_active_requests", optional=True)
def stopping(_: Call) -> Observed:
    """The worker stops in the cold, from 5.5 on softly: what children have told it reads later."""
    attempts.stopping[0] = True
    yield


@watch("celery.worker.request", "Request._announce_cancelled", optional=True)  # from 5.1 on
def cancelled(call: Call) -> Observed:
    """The connection was lost, or the worker stops: the message is delivered once more, unless it
    was acknowledged before. Such a task is lost, although Celery calls it one to retry."""
    attempts.call_off(call.instance, call.argument(0, "emit_retry", True))
    yield


@watch("celery.worker.consumer.consumer", "Consumer.on_unknown_task")
def unknown_task(call: Call) -> Observed:
    jobs.unreadable(jobs.UNKNOWN_TASK)
    attempts.refused(call.instance.app, call.argument(1, "message"))
    yield


@watch("celery.worker.consumer.consumer", "Consumer.on_invalid_task")
def invalid_task(call: Call) -> Observed:
    jobs.unreadable(jobs.INVALID_TASK)
    attempts.refused(call.instance.app, call.argument(1, "message"))
    yield


@watch("celery.worker.consumer.consumer", "Consumer.on_unknown_message")
def unknown_message(_: Call) -> Observed:
    jobs.unreadable(jobs.UNKNOWN_MESSAGE)
    yield


@watch("celery.worker.consumer.consumer", "Consumer.on_decode_error")
def undecodable(_: Call) -> Observed:
    jobs.unreadable(jobs.DECODE_ERROR)
    yield


@watch("celery.worker.consumer.consumer", "Consumer.on_ready")
def ready(call: Call) -> Observed:
    yield
    attempts.waiting_since(monotonic())
    jobs.ready()
    attempts.exist(call.instance.app)
    queues.watch(call.instance)


@watch("celery.worker.worker", "WorkController.on_stopped")
def stopped(call: Call) -> Observed:
    """Its process may live on: the workers of tests are threads of it."""
    yield
    attempts.settle_all()
    queues.leave(call.instance)


@replace("celery.app.trace", "build_tracer")
def tracer(original: Any) -> Any:
    """Tasks that run in place, by `apply()` or `task_always_eager`: no worker sees them."""

    def build_tracer(name: Any, task: Any, *args: Any, **kwargs: Any) -> Any:
        made = original(name, task, *args, **kwargs)
        return attempts.eager(made, str(name)) if kwargs.get("eager") else made

    return build_tracer


@watch("celery.backends.redis", "RedisBackend._create_client")
def result_store(_: Call) -> Observed:
    """What stores results is plumbing, as the broker's connections are."""
    client = yield
    _plumbing.own(client.connection_pool)


@watch("celery.beat", "Scheduler.apply_async")
def scheduled(call: Call) -> Observed:
    entry = call.argument(0, "entry")
    beat.queued(call.instance, entry)
    try:
        yield
    except Exception:
        jobs.missed(str(entry.name), 1)
        raise


@watch("celery.beat", "Scheduler.populate_heap")
def planned(call: Call) -> Observed:
    yield
    beat.planned(call.instance)


def failed(error: BaseException) -> None:
    guard.failed("celery", error)
    if guard.off("celery"):
        undo("celery")
