"""Reading the next range of data while the last one is computed with.

One thread reads; the caller computes. Passes over the data follow one another, so that after the
last range comes the first.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Ranges of data, the next one of which is being read already.

    At most two are in memory: the one that was handed out last, and the one that follows it.

    Args:
        read: reads a range, given its start and stop; called in one other thread only.
        ranges: starts and stops, in the order of a pass.

    Example:
        >>> with ReadAhead(lambda start, stop: list(range(start, stop)), [(0, 2), (2, 3)]) as ahead:
        ...     [ahead.read(i) for i in (0, 1, 0)]
        [[0, 1], [2], [0, 1]]
    """

    def __init__(self, read: Callable[[int, int], T], ranges: Sequence[tuple[int, int]]):
        self._read, self._ranges = read, list(ranges)
        self._thread = ThreadPoolExecutor(1, "reading ahead")
        self._coming: tuple[int, Future[T]] | None = None
        self._closed = False

    def read(self, i: int) -> T:
        """Return the i-th range, and begin to read the one after it.

        Args:
            i: from 0. Any is allowed; the one that follows the last comes soonest.

        Raises:
            ValueError: if these ranges are closed.
            Exception: what reading this range raised. The next call reads again.
        """
        if self._closed:
            raise ValueError("these ranges are closed; make new ones")
        coming = self._coming
        if coming is None or coming[0] != i:
            coming = self._begin(i)
        self._coming = None
        found = coming[1].result()
        self._begin((i + 1) % len(self._ranges))
        return found

    def close(self) -> None:
        """End the thread, after the range that it is reading."""
        self._closed = True
        self._forget()
        self._thread.shutdown()

    def __enter__(self) -> "ReadAhead[T]":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _begin(self, i: int) -> tuple[int, "Future[T]"]:
        self._forget()
        self._coming = i, self._thread.submit(self._read, *self._ranges[i])
        return self._coming

    def _forget(self) -> None:
        if self._coming is not None:
            self._coming[1].cancel()
            self._coming = None
