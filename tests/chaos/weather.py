"""What a program's clock and disk are like, in a few bytes of a file that two processes share."""

import mmap
import struct
from pathlib import Path

SIZE = 16


class Weather:
    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(SIZE))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), SIZE)

    @property
    def ahead(self) -> float:
        """Seconds that the program's wall clock is before the real one."""
        return self._read(0)

    @ahead.setter
    def ahead(self, seconds: float) -> None:
        struct.pack_into("<d", self._shared, 0, seconds)

    @property
    def delay(self) -> float:
        """Seconds that its disk takes for each write, at most."""
        return self._read(8)

    @delay.setter
    def delay(self, seconds: float) -> None:
        struct.pack_into("<d", self._shared, 8, seconds)

    def _read(self, offset: int) -> float:
        value: float = struct.unpack_from("<d", self._shared, offset)[0]
        return value
