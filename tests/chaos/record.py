"""What the platforms show, as they have it now, whichever platform it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from tests.fakes import discord, slack
from tests.fakes.discord.kinds import Kind

PREVIEW = "preview"
AGAIN, CANCEL, SHOW = "Try again", "Cancel", "Show"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands."""

    channel: str
    #: The requester who alone sees it; "" where all in the channel do.
    only: str
    #: It went with the answer to an interaction.
    is_answer: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What one message of the bot shows."""

    place: Place
    message_id: str
    posted_at: float
    is_gone: bool
    image_ids: Sequence[str]
    #: Label and subject of its buttons.
    buttons: Sequence[tuple[str, str]]


def on_discord(fake: discord.FakeDiscord) -> list[Shown]:
    """All that there ever were; those that only one person sees, too."""
    messages = [message for channel in fake.channels.values() for message in channel.record]
    messages += [answer for asked in fake.asked.values() for answer in asked.answers]
    return [_of_discord(message) for message in dict.fromkeys(messages) if message.author is fake.bot]


def _of_discord(message: discord.FakeMessage) -> Shown:
    names = [PurePath(file.filename).stem for file in message.attachments]
    buttons = [(label, message.button(label).rpartition(":")[2]) for label in message.labels]
    channel, only = message.channel, ""
    if message.ephemeral and message.asked is not None:
        only = f"discord:{message.asked.person.id}"
    elif channel.kind is Kind.DM:
        only = f"discord:{channel.people[0].id}"
    return Shown(
        place=Place(str(channel.id), only, is_answer=message.asked is not None),
        message_id=str(message.id),
        posted_at=message.created,
        is_gone=message.deleted,
        image_ids=[name for name in names if name != PREVIEW],
        buttons=buttons,
    )


def on_slack(fake: slack.FakeSlack) -> list[Shown]:
    return [
        _of_slack(message, fake)
        for channel in fake.channels.values()
        for message in channel.record
        if message.user is fake.bot
    ]


def _of_slack(message: slack.FakeMessage, fake: slack.FakeSlack) -> Shown:
    person = message.ephemeral_to or next((one for one in message.channel.between if one is not fake.bot), None)
    return Shown(
        place=Place(message.channel.id, f"slack:{person.id}" if person else ""),
        message_id=message.ts,
        posted_at=message.created,
        is_gone=message.deleted,
        # Of a file that was deleted Slack shows just that.
        image_ids=[PurePath(file.name).stem for file in message.files if not file.deleted],
        buttons=list(_slack_buttons(message)),
    )


def _slack_buttons(message: slack.FakeMessage) -> Iterator[tuple[str, str]]:
    for label in message.labels:
        yield label, message.value(label) or ""
