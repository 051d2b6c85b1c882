"""Who listens to which job: a live stream of events for each follower."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from bot.events import Ending, Event, Preview

#: None says that the program stops before the job's ending is known.
Stream = asyncio.Queue[Event | None]


class Followers:
    """Lives on the event loop. Nobody needs to listen, and a slow listener holds nobody up."""

    def __init__(self) -> None:
        #: Of each job: its streams, with the seconds between previews where somebody wants to see them.
        self._streams: dict[str, dict[Stream, float | None]] = {}

    @contextmanager
    def stream(self, job_id: str, preview_interval: float | None = None) -> Iterator[Stream]:
        """Events from now on; leaving the block ends it."""
        stream: Stream = asyncio.Queue()
        self._streams.setdefault(job_id, {})[stream] = preview_interval
        try:
            yield stream
        finally:
            streams = self._streams[job_id]
            del streams[stream]
            if not streams:
                del self._streams[job_id]

    def preview_interval(self, job_id: str) -> float | None:
        """The shortest that is asked for; None where nobody looks."""
        asked = [interval for interval in self._streams.get(job_id, {}).values() if interval is not None]
        return min(asked, default=None)

    def tell(self, job_id: str, event: Event) -> None:
        for stream, preview_interval in self._streams.get(job_id, {}).items():
            if preview_interval is not None or not isinstance(event, Preview):
                stream.put_nowait(event)

    def close(self, job_id: str) -> None:
        for stream in self._streams.get(job_id, {}):
            stream.put_nowait(None)

    def close_all(self) -> None:
        for job_id in self._streams:
            self.close(job_id)

    def __contains__(self, job_id: str) -> bool:
        """Somebody follows it."""
        return job_id in self._streams

    def __len__(self) -> int:
        """Jobs that somebody follows."""
        return len(self._streams)


def newest(stream: Stream) -> Event | None:
    """Takes out all that was told so far and returns the last of it; what is told after an ending is void.

    The last preview, which does not tell how the job stands, is left there.
    """
    told: Event | None = None
    preview: Preview | None = None
    while not stream.empty() and not isinstance(told, Ending):
        event = stream.get_nowait()
        if isinstance(event, Preview):
            preview = event
        else:
            told = event or told
    if preview is not None and not isinstance(told, Ending):
        stream.put_nowait(preview)
    return told
