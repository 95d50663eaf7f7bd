"""Queues of a Celery application: their names as labels, and how full they are at the broker.

Only a worker's main process reads the broker, every five seconds on the worker's own timer, over a
connection of its own: the worker's must not be used from another thread.
"""

from __future__ import annotations

from monagent import guard
from monagent.clock import monotonic, time
from monagent.conventions import _sent, jobs
from monagent.integrations._celery_bindings import is_bound, leads_to, may_lead_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EVERY = 5.0
SOON = 0.2
PAUSE, LONGEST = 60.0, 480.0
"""Seconds without reading after the broker could not be read, doubled from one time to the next."""

PATIENCE = 1.0
"""Seconds to wait for each answer, and after which no other queue is asked for: a worker's event
loop stands still meanwhile, with its heartbeats and its limits of time."""

REST = 9.0
"""So many times as long as queues were read, none is: a tenth of the worker's time at most."""

_LIMITS = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
"""Options of kombu's transport for Redis, and of redis-py; others take no notice of them."""

READABLE = ("redis", "amqp", "memory")
"""Transports that tell a size cheaply; asking SQS costs money."""

_MISSING, _REFUSED = "404", ("403", "405")
"""Answers of AMQP: no such queue; forbidden, or exclusive to another connection."""

_MOST = 1_000
_MOST_LEFT = 100
"""Queues that are read on after the worker has ceased to consume them."""

_names: dict[tuple[int, Any, Any, bool], str] = {}
current: list[Watch] = []  # of the worker in this process


def name_of(app: Any, exchange: Any, routing_key: Any, sent: bool = False) -> str:
    """The queue that a message with this exchange and routing key came by, or is sent to."""
    key = id(app), exchange, routing_key, sent
    try:
        return _names[key]
    except KeyError:
        found = _find(app, exchange, routing_key, sent)
        if len(_names) < _MOST:
            _names[key] = found
        return found


def label_of(queue: Any) -> str:
    """The name of a queue; a broadcast's queues have random ones, and share an alias."""
    return str(getattr(queue, "alias", None) or queue.name)


def _find(app: Any, exchange: Any, routing_key: Any, sent: bool) -> str:
    known = app.amqp.queues
    queues = list((known if sent else known.consume_from).values())
    exchange = getattr(exchange, "name", exchange) or ""
    routing_key = str(routing_key or "")
    if not exchange:
        room = len(_names) < _MOST or any(routing_key == queue.name for queue in queues)
        return routing_key if room and routing_key else jobs.OTHER
    if exchange.startswith("celery_delayed"):
        # Quorum queues: 28 binary digits of the delay stand before the key.
        exchange, routing_key = "", routing_key.split(".", 28)[-1]
    found = [queue for queue in queues if leads_to(queue, exchange, routing_key)]
    # What a worker gets came by one of its queues, whatever it knows of how they are bound.
    known_to = may_lead_to if sent else is_bound
    found = found or [queue for queue in queues if known_to(queue, exchange)]
    # Of a key that is bound to several each has got a message, and none of these tells which.
    labels = {label_of(queue) for queue in found}
    return labels.pop() if len(labels) == 1 else jobs.OTHER


class Watch:
    """Reads the sizes of the queues that a worker consumes, or has consumed."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._connection: Any = None
        self._channel: Any = None
        self._not_before = 0.0
        self._pause = PAUSE
        self._next = 0  # which queue is asked for first
        self.timer_entry: Any = None
        self.received: dict[str, float] = {}  # when the message last received was sent, by queue
        self.queues: dict[str, Any] = {}  # by name, all that it has met
        self._empty: dict[str, float] = {}  # when the queue was last seen empty

    def count_workers(self) -> None:
        """How many jobs the pool can do at a time: autoscaling changes it."""
        pool = self._consumer.pool
        # gevent's tells how many run now; its pool of greenlets, how many may.
        greenlets = type(pool._pool).__module__ == "gevent.pool"
        jobs.workers(id(pool), pool._pool.size if greenlets else pool.num_processes)

    def of(self, worker: Any) -> bool:
        """Whether it reads for this worker."""
        return self._consumer.pool is worker.pool

    def tick(self) -> None:
        """Read once; what goes wrong on the way to the broker is for the worker to tell."""
        try:
            self.count_workers()
            if monotonic() >= self._not_before:
                self._read()
                self._pause = PAUSE
        except BaseException as error:
            expected: tuple[type[BaseException], ...] = (OSError, *self._errors())
            self._close()
            self._not_before = monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST)
            if guard.not_ours(error):
                raise
            if not isinstance(error, expected):
                guard.failed("celery", error)

    def stop(self) -> None:
        """No more reading."""
        if self.timer_entry is not None:
            self.timer_entry.cancel()
        self._close()

    def _read(self) -> None:
        app = self._consumer.app
        if self._connection is None:
            self._connection = app.connection_for_read(
                connect_timeout=PATIENCE, transport_options=_limited(app)
            )
        if self._connection.transport.driver_type not in READABLE:
            self._not_before = float("inf")
            return
        if self._channel is None:
            self._channel = self._connected()
        consumed = dict(app.amqp.queues.consume_from)
        self.queues.update(consumed)
        self._leave([name for name in self.queues if name not in consumed])
        left = [queue for name, queue in self.queues.items() if name not in consumed]
        asked = [*consumed.values(), *left[:_MOST_LEFT]]
        self._next = first = self._next if self._next < len(asked) else 0
        since = monotonic()
        for queue in (*asked[first:], *asked[:first]):
            if monotonic() - since > PATIENCE:
                break  # So many, or so slow: the others are next.
            self._next = (self._next + 1) % len(asked)
            self._read_queue(queue)
        self._not_before = monotonic() + REST * (monotonic() - since)

    def _connected(self) -> Any:
        """A channel; where the broker has several addresses, by the first that answers."""

        def next_one(error: BaseException, pause: float) -> None:
            if pause:  # All of them have failed: kombu would sleep now, and begin again.
                raise error

        self._connection.ensure_connection(next_one, max_retries=1, reraise_as_library_errors=False)
        sock = getattr(self._connection.connection, "sock", None)
        if sock is not None:
            sock.settimeout(PATIENCE)  # AMQP has a limit for the handshake alone.
        return self._connection.channel()

    def _leave(self, names: list[str]) -> None:
        """Let go of those that expire: who asks RabbitMQ for a queue's size renews its lease."""
        if self._connection.transport.driver_type != "amqp":
            return
        for name in names:
            queue = self.queues[name]
            if queue.expires or "x-expires" in (queue.queue_arguments or ()):
                del self.queues[name]
                jobs.queue_left(label_of(queue))

    def _read_queue(self, queue: Any) -> None:
        label, now = label_of(queue), time()
        size = self._size(queue.name)
        if size is None:
            return
        if not size:
            self._empty[label] = now
            jobs.queue_read(label, 0, 0.0)
            return
        jobs.queue_read(label, size, self._oldest(queue, label, now))

    def _size(self, name: str) -> int | None:
        """None: not to be told, since the queue is another connection's alone, or forbidden."""
        if hasattr(self._channel, "_q_for_pri"):
            # Redis: kombu's declaration asks for keys without the prefix that all may have.
            return int(self._channel._size(name))
        try:
            return int(self._channel.queue_declare(name, passive=True).message_count)
        except self._connection.channel_errors as error:
            code = str(getattr(error, "reply_code", getattr(error, "code", None)))
            if code not in (_MISSING, *_REFUSED):
                raise
            if self._connection.transport.driver_type == "amqp":
                self._channel = self._connection.channel()  # The broker has closed the old one.
            return 0 if code == _MISSING else None

    def _oldest(self, queue: Any, label: str, now: float) -> float | None:
        """Age of the queue's head: read on Redis, elsewhere the most it can be.

        Other brokers would mark a message as redelivered that somebody has looked at. What waits
        there was sent after the last message received, unless that has overtaken it by its
        priority, and after the queue was last empty.
        """
        if hasattr(self._channel, "_q_for_pri"):
            return self._head(queue.name, now)
        if queue.max_priority or "x-max-priority" in (queue.queue_arguments or ()):
            return None
        since = max(self.received.get(label, 0.0), self._empty.get(label, 0.0))
        return max(0.0, now - since) if since else None

    def _head(self, name: str, now: float) -> float | None:
        import json  # Celery has imported it.

        channel = self._channel
        # kombu puts a prefix that all keys have before those of the commands that it uses itself.
        prefix = getattr(channel, "global_keyprefix", "")
        if "LINDEX" in getattr(channel.client, "PREFIXED_SIMPLE_COMMANDS", ()):
            prefix = ""
        ages = []
        for priority in channel.priority_steps:
            text = channel.client.lindex(prefix + channel._q_for_pri(name, priority), -1)
            if not text:
                continue
            sent = _sent.read(json.loads(text)["properties"].get("message_id"))
            if sent is None:
                return None  # Its sender runs without monagent, and it may be the oldest.
            ages.append(max(0.0, now - sent[0]))
        return max(ages, default=None)

    def _errors(self) -> tuple[type[BaseException], ...]:
        connection = self._connection
        if connection is None:
            return ()
        try:
            return (*connection.connection_errors, *connection.channel_errors)
        except Exception:
            return ()

    def _close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            try:
                connection.collect()  # It says no goodbye, which would wait for an answer.
            except Exception:
                pass  # It was broken; that is why it is closed.


def _limited(app: Any) -> dict[str, Any]:
    """Sentinels are asked over connections with options of their own."""
    own = app.conf.broker_transport_options.get("sentinel_kwargs")
    return {**_LIMITS, "sentinel_kwargs": {**(own or {}), **_LIMITS}}


def watch(consumer: Any) -> None:
    """Begin to read the queues of a consumer that is ready, again after each new connection."""
    made = Watch(consumer)
    while current:
        old = current.pop()
        old.stop()
        made.received, made.queues = old.received, old.queues
    current.append(made)
    made.count_workers()
    timer = consumer.timer
    timer.call_after(SOON, made.tick)
    made.timer_entry = timer.call_repeatedly(EVERY, made.tick)


def leave(worker: Any) -> None:
    """The worker has ended: it can do no jobs, and reads no queue."""
    jobs.workers(id(worker.pool), 0)
    if current and current[0].of(worker):
        current.pop().stop()


def received(queue: str, sent: float) -> None:
    """A message that was sent then has left the queue."""
    if current:
        current[0].received[queue] = sent
