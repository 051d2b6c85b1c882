"""Mishaps that a test orders."""

from dataclasses import dataclass
from typing import TypeVar


@dataclass(slots=True)
class Fault:
    #: Of the Web API, or what else the fake serves: "upload", "download", "response_url".
    method: str
    #: How many more; None for all.
    times: int | None


@dataclass(slots=True)
class Failure(Fault):
    """With neither an error nor a status the connection is cut."""

    error: str | None
    status: int | None
    #: What was asked for happens all the same.
    taken: bool


@dataclass(slots=True)
class Limit(Fault):
    retry_after: int


@dataclass(slots=True)
class Delay(Fault):
    seconds: float
    #: What was asked for happens before the wait.
    taken: bool


@dataclass(slots=True)
class Forgery(Fault):
    """Of what is sent to the bot over HTTP."""

    secret: str | None
    #: Seconds by which its timestamp lies back.
    age: float


FaultT = TypeVar("FaultT", bound=Fault)


class Faults:
    def __init__(self) -> None:
        self._ordered: list[Fault] = []

    def order(self, fault: Fault) -> None:
        self._ordered.append(fault)

    def forget(self) -> None:
        self._ordered.clear()

    def take(self, kind: type[FaultT], method: str) -> FaultT | None:
        """The first of this kind that fits; it counts as one time."""
        for fault in self._ordered:
            if isinstance(fault, kind) and fault.method == method:
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._ordered.remove(fault)
                return fault
        return None
