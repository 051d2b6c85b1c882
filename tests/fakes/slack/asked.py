"""Something that a person did which the bot is told of, and all that the bot answers to it."""

import secrets
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tests.fakes.slack.messages import FakeMessage, Json

if TYPE_CHECKING:
    from tests.fakes.slack.deliveries import Delivery
    from tests.fakes.slack.people import Person
    from tests.fakes.slack.places import Channel
    from tests.fakes.slack.server import FakeSlack
    from tests.fakes.slack.views import View

#: Seconds in which it must be acknowledged, and for which a trigger is good.
PATIENCE = 3
#: Seconds for which a response URL is good, and how often.
LIFETIME, USES = 30 * 60, 5


class Kind(StrEnum):
    COMMAND = "slash command"
    ACTION = "block action"
    SHORTCUT = "message shortcut"
    SUBMISSION = "view submission"
    CLOSING = "closed view"
    EVENT = "event"


class Asked:
    def __init__(
        self,
        fake: "FakeSlack",
        kind: Kind,
        person: "Person",
        channel: "Channel | None" = None,
        *,
        name: str = "",
        message: FakeMessage | None = None,
        source: "View | None" = None,
    ) -> None:
        self.fake = fake
        self.kind = kind
        self.person = person
        self.channel = channel
        #: Of the command, the action, the callback or the event.
        self.name = name
        #: On which it was clicked, or which the person wrote.
        self.message = message
        #: In which it was clicked, or which was sent.
        self.source = source
        self.sent = fake.clock.now()
        self.trigger_id = f"{fake.ids.new('1')}.{fake.ids.new('2')}.{secrets.token_hex(16)}"
        self.triggered = False
        self.token = secrets.token_urlsafe(18)
        self.uses = 0
        #: None where the bot hears nothing of it.
        self.delivery: Delivery | None = None
        #: Seconds until it was acknowledged.
        self.ack_seconds: float | None = None
        self.ack_body: Any = None
        #: How often; more than once only where it was delivered more than once.
        self.acks = 0
        #: Over HTTP, the status of the last answer.
        self.http_status: int | None = None
        #: What the person sees instead: "operation_timeout", "dispatch_failed"; of an event, "lost" after all attempts.
        self.error: str | None = None
        #: A modal that was opened or changed in answer to it.
        self.view: View | None = None
        #: By block_id, what the bot finds wrong with what was filled in.
        self.errors: dict[str, str] = {}
        #: What came with the acknowledgement.
        self.reply: FakeMessage | None = None
        #: What was posted to the response URL.
        self.responses: list[FakeMessage] = []
        fake.asked[self.token] = self

    def __repr__(self) -> str:
        answers = self.error or [message.texts for message in self.answers]
        return f"<Asked {self.kind} {self.name!r}: {self.acks} acks, {answers}>"

    @property
    def acknowledged(self) -> bool:
        return self.ack_seconds is not None

    @property
    def timed_out(self) -> bool:
        return self.error == "operation_timeout"

    @property
    def heard(self) -> bool:
        """Whether the bot is told of it."""
        return self.delivery is not None

    @property
    def payload(self) -> Json:
        assert self.delivery, "The bot hears nothing of it."
        return self.delivery.payload

    @property
    def age(self) -> float:
        return self.fake.clock.now() - self.sent

    @property
    def answers(self) -> list[FakeMessage]:
        return [*filter(None, [self.reply]), *self.responses]

    @property
    def told(self) -> str:
        """What the person reads in answers that they alone see."""
        return "\n".join(one.shown for one in self.answers if one.ephemeral and not one.deleted)

    @property
    def response_url(self) -> str:
        return f"{self.fake.url}/response/{self.token}"

    async def until(self, condition: Callable[["Asked"], Any], timeout: float = 5) -> "Asked":  # noqa: ASYNC109
        await self.fake.until(lambda: condition(self), timeout, waiting=self)
        return self

    def fail(self, error: str) -> None:
        if self.error is None and not self.acknowledged:
            self.error = error
            self.fake.bell.ring()

    def acknowledge(self, body: Any) -> None:
        """The first one counts; one that comes too late is not looked into."""
        self.acks += 1
        if self.ack_seconds is None:
            self.ack_seconds, self.ack_body = self.age, body
            if self.error is None:
                self.fake.answers.take(self, body)
        self.fake.bell.ring()
