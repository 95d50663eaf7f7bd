"""Who gets the numbers without asking for them, and when: OTLP at its interval, all at the end."""

from __future__ import annotations

import asyncio
import time

from monagent.exporter import delivery, selfmetrics
from monagent.exporter.engine import Engine
from monagent.exporter.resource import program, service_name
from monagent.exporter.voice import Voice
from monagent.exporter.worker import Worker, alone
from monagent.settings import Settings
from monagent.settings_kinds import without_password

LAST = 15.0
"""Seconds for the last deliveries, which go side by side."""


class Outbox:
    """The deliveries of one exporter; the numbers come from `engine`, in the thread of `worker`."""

    def __init__(self, settings: Settings, engine: Engine, worker: Worker, voice: Voice) -> None:
        self._settings = settings
        self._engine = engine
        self._worker = worker
        self._voice = voice
        self._otlp: asyncio.Future[delivery.Delivery | None] | None = None
        self._remarked = False
        selfmetrics.announce_goals(engine.own, delivery.goals(settings))

    def begin(self) -> None:
        """Gets ready to push, beside the loop."""
        if self._settings.otlp_endpoint:
            self._otlp = asyncio.ensure_future(alone(self._pusher))

    def _pusher(self) -> delivery.Delivery | None:
        try:
            # Imported here and not above: the SDK and protobuf cost 30 MB and half a second.
            from monagent.exporter.otlp import Otlp

            return Otlp(self._settings)
        except Exception as error:
            url = without_password(self._settings.otlp_endpoint or "")
            self._voice.say(f"cannot push to {url}: {error!r}")
            return None

    async def push(self) -> None:
        """Pushes at the interval, until cancelled."""
        goal = await asyncio.shield(self._otlp) if self._otlp is not None else None
        if goal is None:
            return
        failing = False
        while True:
            await asyncio.sleep(self._settings.otlp_interval / 1000)
            reason = (await self._deliver(goal)).failure
            if reason and not failing:
                self._voice.say(f"cannot push to {reason}; trying again at every interval")
            failing = bool(reason)

    async def last(self) -> None:
        """Delivers the numbers as they are now to everybody who is to get them at the end."""
        info = self._engine.info
        job = service_name(self._settings, info) or program(info)
        goals = delivery.at_the_end(self._settings, job)
        if self._otlp is not None and (pusher := await self._otlp) is not None:
            goals.append(pusher)
        await asyncio.gather(*(self._hand_over(goal) for goal in goals))

    async def _hand_over(self, goal: delivery.Delivery) -> None:
        """The last delivery to this goal, whatever becomes of the others."""
        try:
            reason = (await asyncio.wait_for(self._deliver(goal), LAST)).failure
        except asyncio.TimeoutError:
            known = goal.trouble or f"{goal.where}: no answer"
            reason = f"{known}; given up after {LAST:.0f} s"
        if reason:
            self._voice.say(f"the last numbers were not delivered to {reason}")

    async def _deliver(self, goal: delivery.Delivery) -> delivery.Outcome:
        # As Prometheus text and as data; making one in vain is cheap beside any delivery.
        text = await self._worker.do(lambda: self._engine.scrape(False))
        total = await self._worker.do(self._engine.total)
        outcome = await alone(lambda: delivery.deliver(goal, total, text, time.sleep))
        await self._worker.do(lambda: self._count(goal.name, outcome))
        if outcome.remark and not self._remarked:
            self._voice.say(outcome.remark)
        self._remarked = bool(outcome.remark)
        return outcome

    def _count(self, goal: str, outcome: delivery.Outcome) -> None:
        own = self._engine.own
        ended = selfmetrics.FAILURE if outcome.failure else selfmetrics.SUCCESS
        own.add(selfmetrics.DELIVERIES, goal=goal, outcome=ended)
        if outcome.rejected:
            own.add(selfmetrics.REJECTED, outcome.rejected, goal=goal)
