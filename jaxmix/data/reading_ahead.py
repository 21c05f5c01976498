"""Reading the next part of data while the last one is computed with.

One thread reads; the caller computes, and knows what it will want next.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

P, T = TypeVar("P"), TypeVar("T")


class ReadAhead(Generic[P, T]):
    """Parts of data, the next one of which is being read already.

    At most two are in memory: the one that was handed out last, and the one that follows it.

    Args:
        read: reads a part, given what names it; called in one other thread only.

    Example:
        >>> with ReadAhead(list) as ahead:
        ...     ahead.read(range(2), range(2, 3)), ahead.read(range(2, 3), range(2))
        ([0, 1], [2])
    """

    def __init__(self, read: Callable[[P], T]):
        self._read = read
        self._thread = ThreadPoolExecutor(1, "reading ahead")
        self._coming: tuple[P, Future[T]] | None = None
        self._closed = False

    def read(self, part: P, following: P) -> T:
        """Return a part, and begin to read another.

        Args:
            part: what is wanted. Any is allowed; the one that was to follow comes soonest.
            following: what will be wanted next.

        Raises:
            ValueError: if this is closed.
            Exception: what reading this part raised. The next call reads again.
        """
        if self._closed:
            raise ValueError("this reading ahead is closed; begin another")
        coming = self._coming
        if coming is None or coming[0] != part:
            coming = self._begin(part)
        self._coming = None
        found = coming[1].result()
        self._begin(following)
        return found

    def close(self) -> None:
        """End the thread, after the part that it is reading."""
        self._closed = True
        self._forget()
        self._thread.shutdown()

    def __enter__(self) -> "ReadAhead[P, T]":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _begin(self, part: P) -> tuple[P, "Future[T]"]:
        self._forget()
        self._coming = part, self._thread.submit(self._read, part)
        return self._coming

    def _forget(self) -> None:
        if self._coming is not None:
            self._coming[1].cancel()
            self._coming = None
