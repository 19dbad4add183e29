"""Where a model predicts: on the event loop while it is fast, in one thread while it is slow.

Measured on two processors, requests/s against predictions on the loop alone: a model of 0.2 ms loses a fifth by the way
to a thread and back where requests come one by one, a model of 20 ms loses nothing. With the thread, statistics and
probes are answered within 1 ms instead of after 80; without it, after a few milliseconds as long as the model is fast.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from modelyard.serving.queue_proxy.counts import Turns

SLOW_S, FAST_S = 0.004, 0.002
"""Usual seconds of a prediction from which on it goes to the thread, and below which it comes back."""
WEIGHT = 0.2
"""Of the newest prediction in the usual time."""
SWITCH_INTERVAL_S = 0.001
"""How long a prediction that is pure Python may keep the event loop from running."""


def decide_slow(usual_s: float, *, slow: bool) -> bool:
    """Whether the next prediction belongs into the thread."""
    return usual_s > (FAST_S if slow else SLOW_S)


class Predicting:
    """A model's `predict` as a coroutine; never two predictions at a time, as with KServe.

    Args:
        predict: the model's own, plain function.
        turns: held up while the thread predicts, so that what waits is not yet taken as being predicted.
    """

    def __init__(self, predict: Callable[..., Any], turns: Turns) -> None:
        self._predict = predict
        self._turns = turns
        self._usual_s: float | None = None
        self._slow = True  # until the first prediction has told, which often has something to set up
        self._asked: queue.SimpleQueue[tuple[asyncio.Future[Any], tuple[Any, ...]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def predict(self, *args: Any) -> Any:
        """Answer as the model does, and raise what it raises."""
        if self._slow or self._turns.busy:
            return await self._in_thread(args)
        began = time.monotonic()
        try:
            return self._predict(*args)
        finally:
            self._learn(time.monotonic() - began)

    async def _in_thread(self, args: tuple[Any, ...]) -> Any:
        if self._thread is None:
            sys.setswitchinterval(SWITCH_INTERVAL_S)
            # A daemon: a prediction without end must not keep the process from ending.
            self._thread = threading.Thread(target=self._work, args=(asyncio.get_running_loop(),), daemon=True)
            self._thread.start()
        answer = asyncio.get_running_loop().create_future()
        self._turns.hold()
        self._asked.put((answer, args))
        return await answer

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            answer, args = self._asked.get()
            result, error, began = None, None, time.monotonic()
            if not answer.cancelled():
                try:
                    result = self._predict(*args)
                except BaseException as raised:
                    error = raised
            loop.call_soon_threadsafe(self._done, answer, result, error, time.monotonic() - began)

    def _done(self, answer: asyncio.Future[Any], result: Any, error: BaseException | None, spent_s: float) -> None:
        self._turns.release()
        if answer.done():
            return
        self._learn(spent_s)
        if error is None:
            answer.set_result(result)
        elif isinstance(error, Exception) and not isinstance(error, StopIteration):
            answer.set_exception(error)
        else:
            answer.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))

    def _learn(self, spent_s: float) -> None:
        self._usual_s = spent_s if self._usual_s is None else self._usual_s + WEIGHT * (spent_s - self._usual_s)
        self._slow = decide_slow(self._usual_s, slow=self._slow)
