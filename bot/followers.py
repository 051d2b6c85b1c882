"""Who listens to which job: a live stream of events for each follower."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from bot.events import Ending, Event

#: None says that the program stops before the job's ending is known.
Stream = asyncio.Queue[Event | None]


class Followers:
    """Lives on the event loop. Nobody needs to listen, and a slow listener holds nobody up."""

    def __init__(self) -> None:
        self._streams: dict[str, set[Stream]] = {}

    @contextmanager
    def stream(self, job_id: str) -> Iterator[Stream]:
        """Events from now on; leaving the block ends it."""
        stream: Stream = asyncio.Queue()
        self._streams.setdefault(job_id, set()).add(stream)
        try:
            yield stream
        finally:
            streams = self._streams[job_id]
            streams.discard(stream)
            if not streams:
                del self._streams[job_id]

    def tell(self, job_id: str, event: Event) -> None:
        for stream in self._streams.get(job_id, ()):
            stream.put_nowait(event)

    def close(self, job_id: str) -> None:
        for stream in self._streams.get(job_id, ()):
            stream.put_nowait(None)

    def close_all(self) -> None:
        for job_id in self._streams:
            self.close(job_id)

    def __len__(self) -> int:
        """Jobs that somebody follows."""
        return len(self._streams)


def newest(stream: Stream) -> Event | None:
    """Takes out all that was told so far and returns the last of it; what is told after an ending is void."""
    told: Event | None = None
    while not stream.empty() and not isinstance(told, Ending):
        told = stream.get_nowait() or told
    return told
