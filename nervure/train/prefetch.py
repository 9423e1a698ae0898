"""Making things ahead in threads, in order."""

from __future__ import annotations

import contextlib
import contextvars
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

T = TypeVar("T")
S = TypeVar("S")

# How often a thread that waits for room looks whether it is still wanted, in seconds.
_LOOK: Final = 0.05
# How long the end of a pass waits for the thread to leave the user's code.
_PATIENCE: Final = 5.0
_END: Final = object()


def prefetched(source: Iterator[T], ahead: int) -> Iterator[T]:
    """Yield what ``source`` yields; a thread runs it, up to ``ahead`` things early.

    An error in it is raised here, after what came before it.  Closing this iterator
    closes the source.
    """
    waiting: queue.Queue[Any] = queue.Queue(maxsize=ahead)
    unwanted = threading.Event()

    def put(item: Any) -> bool:
        while not unwanted.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(item, timeout=_LOOK)
                return True
        return False

    def work() -> None:
        error: BaseException | None = None
        try:
            for one in source:
                if not put((one, None)):
                    break
        except BaseException as found:  # noqa: BLE001 - raised by the reader
            error = found
        with contextlib.suppress(Exception):
            close(source)
        put((_END, error))

    thread = threading.Thread(
        target=contextvars.copy_context().run,
        args=(work,),
        name="nervure-data",
        daemon=True,
    )
    thread.start()
    try:
        while True:
            one, error = waiting.get()
            if error is not None:
                raise error
            if one is _END:
                return
            yield one
    finally:
        unwanted.set()
        thread.join(_PATIENCE)


def parallel(
    make: Callable[[S], T], wanted: Iterable[S], workers: int, ahead: int
) -> Iterator[T]:
    """Yield ``make(one)`` for each thing that is wanted, in order, made by threads."""
    pending: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="nervure-data")
    try:
        for one in wanted:
            context = contextvars.copy_context()
            pending.append(pool.submit(context.run, make, one))
            if len(pending) >= max(ahead, workers):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def close(source: Iterator[Any]) -> None:
    """Close a generator of ours; other iterators have nothing to close."""
    closing = getattr(source, "close", None)
    if closing is not None:
        closing()


@contextlib.contextmanager
def closing(source: Iterator[T]) -> Iterator[Iterator[T]]:
    """Close an iterator when the block ends, so that its threads stop at once."""
    try:
        yield source
    finally:
        close(source)
