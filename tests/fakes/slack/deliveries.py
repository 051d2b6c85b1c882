"""What the bot is told, until it has acknowledged it: over a socket or over HTTP, events once more where need be."""

import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tests.fakes.slack.asked import PATIENCE, Asked, Kind
from tests.fakes.slack.messages import Json

if TYPE_CHECKING:
    from tests.fakes.slack.server import FakeSlack

#: Seconds between a failed attempt to deliver an event and the next.
RETRIES = (0, 60, 300)
#: As headers of an HTTP answer have it: do not send that event again.
NO_RETRY = "no_retry"


class Type(StrEnum):
    """Of an envelope."""

    EVENT = "events_api"
    INTERACTIVE = "interactive"
    COMMAND = "slash_commands"


@dataclass(slots=True, eq=False)
class Delivery:
    type: Type
    payload: Json = field(repr=False)
    #: None for events that nobody waits for, as those of the bot's own messages.
    asked: Asked | None
    sent: float
    #: Of the next attempt: 0 is the first.
    number: int = 0
    #: Why the one before failed.
    reason: str = ""

    @property
    def answerable(self) -> bool:
        """Whether an acknowledgement over a socket may bring something along."""
        return self.type is Type.COMMAND or (self.asked is not None and self.asked.kind is Kind.SUBMISSION)


@dataclass(frozen=True, slots=True)
class Attempt:
    #: Of the envelope.
    id: str
    delivery: Delivery
    number: int
    reason: str


class Deliveries:
    def __init__(self, fake: "FakeSlack") -> None:
        self._fake = fake
        self._sent: dict[str, Attempt] = {}
        #: IDs of those that are not answered yet.
        self._open: set[str] = set()
        #: What waits for a socket.
        self._waiting: list[Delivery] = []

    def send(self, type: Type, payload: Json, asked: Asked | None) -> Delivery:
        delivery = Delivery(type, payload, asked, self._fake.clock.now())
        if asked:
            asked.delivery = delivery
            if type is not Type.EVENT:
                self._fake.agenda.after(PATIENCE, lambda: asked.fail("operation_timeout"))
        self._attempt(delivery)
        return delivery

    def repeat(self, delivery: Delivery) -> None:
        """The very same once more, as Slack does when it missed an acknowledgement."""
        again = Delivery(delivery.type, delivery.payload, delivery.asked, self._fake.clock.now())
        if delivery.type is Type.EVENT:
            again.number, again.reason = delivery.number + 1, self._timeout
        self._attempt(again)

    def acknowledged(self, envelope_id: Any, body: Any) -> None:
        attempt = self._sent.get(envelope_id)
        if attempt is None:
            self._fake.violations.append(f"an envelope {envelope_id!r} was acknowledged that never was sent")
            return
        self._open.discard(envelope_id)
        if attempt.delivery.asked:
            attempt.delivery.asked.acknowledge(body)

    def failed(self, envelope_id: str, reason: str) -> None:
        """An attempt came to nothing."""
        if envelope_id not in self._open:
            return
        self._open.discard(envelope_id)
        delivery = self._sent[envelope_id].delivery
        if delivery.type is not Type.EVENT:
            self._give_up(delivery, "operation_timeout" if reason == self._timeout else "dispatch_failed")
        elif delivery.number >= len(RETRIES) or reason == NO_RETRY:
            self._give_up(delivery, "lost")
        else:
            wait = RETRIES[delivery.number]
            delivery.number, delivery.reason = delivery.number + 1, reason
            self._fake.agenda.after(wait, lambda: self._attempt(delivery))

    def interrupted(self, envelope_id: str) -> None:
        """The socket is gone over which it went. What people wait for can still be acknowledged over another."""
        if envelope_id in self._open and self._sent[envelope_id].delivery.type is Type.EVENT:
            self.failed(envelope_id, "connection_failed")

    def connected(self) -> None:
        """There is a socket again."""
        waiting, self._waiting = self._waiting, []
        for delivery in waiting:
            if delivery.type is Type.EVENT:
                self._send_late(delivery)
            elif delivery.asked and delivery.asked.error is None:
                self._attempt(delivery)

    def _send_late(self, delivery: Delivery) -> None:
        if self._fake.clock.now() - delivery.sent > sum(RETRIES):
            self._give_up(delivery, "lost")
            return
        if delivery.number == 0:
            delivery.number, delivery.reason = 1, "connection_failed"
        self._attempt(delivery)

    def _attempt(self, delivery: Delivery) -> None:
        attempt = Attempt(str(uuid.uuid4()), delivery, delivery.number, delivery.reason)
        if self._fake.http_events_url:
            self._fake.http_events.post(attempt)
        elif not self._fake.sockets.send(attempt.id, self._envelope(attempt)):
            self._wait(delivery)
            return
        self._sent[attempt.id] = attempt
        self._open.add(attempt.id)
        if delivery.type is Type.EVENT:
            self._fake.agenda.after(PATIENCE, lambda: self.failed(attempt.id, self._timeout))

    def _wait(self, delivery: Delivery) -> None:
        """Events can. What a person waits for can only where Slack itself told the bot to connect anew."""
        if delivery.type is Type.EVENT or self._fake.sockets.come_back:
            self._waiting.append(delivery)
        else:
            self._give_up(delivery, "dispatch_failed")

    @property
    def _timeout(self) -> str:
        return "http_timeout" if self._fake.http_events_url else "timeout"

    def _give_up(self, delivery: Delivery, error: str) -> None:
        if delivery.asked:
            delivery.asked.fail(error)

    @staticmethod
    def _envelope(attempt: Attempt) -> Json:
        delivery = attempt.delivery
        told: Json = {
            "envelope_id": attempt.id,
            "payload": delivery.payload,
            "type": str(delivery.type),
            "accepts_response_payload": delivery.answerable,
        }
        if delivery.type is Type.EVENT:
            told |= {"retry_attempt": attempt.number, "retry_reason": attempt.reason}
        return told
