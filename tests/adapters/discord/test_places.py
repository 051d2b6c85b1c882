"""Where Limner is asked: what comes where, who sees it, and what is told where it cannot post."""

import io
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from PIL import Image

from adapters.discord.origin import Origin
from bot.jobs import Job
from bot.service import Service
from tests.adapters.discord import kept
from tests.adapters.discord.conftest import Bot, StartBot
from tests.adapters.discord.watching import asker, at_rest, image_ids, paint, painted, told
from tests.fakes.discord import Asked, Channel, FakeDiscord, FakeMessage, Guild, Person, Upload
from tests.fakes.executor import FakeExecutor, png

SENTENCE = "Your picture comes as the answer to your command"

Somewhere = Callable[[FakeDiscord, Guild, Person], Channel]

#: Where the bot posts what it paints.
OWN_PLACES: dict[str, Somewhere] = {
    "a channel": lambda discord, studio, ada: studio.channel("art"),
    "a private channel": lambda discord, studio, ada: studio.channel("art", private=True),
    "a channel for adults": lambda discord, studio, ada: studio.channel("art", nsfw=True),
    "a thread": lambda discord, studio, ada: studio.channel("art").thread("cats"),
    "a private thread": lambda discord, studio, ada: studio.channel("art").thread("cats", private=True),
    "a thread of a private channel": lambda discord, studio, ada: studio.channel("art", private=True).thread("cats"),
    "direct messages": lambda discord, studio, ada: discord.dm(ada),
}
#: Where only its commands are, for those who installed it for themselves.
FOREIGN_PLACES: dict[str, Somewhere] = {
    "a group": lambda discord, studio, ada: discord.group_dm(ada, discord.person("Ben")),
    "another server": lambda discord, studio, ada: discord.foreign_guild("Elsewhere").channel("hall"),
    "a private thread without it": (
        lambda discord, studio, ada: studio.channel("art").thread("cats", private=True, with_bot=False)
    ),
}
#: Where something that it needs is missing, and its name.
CLOSED_PLACES: dict[str, tuple[Somewhere, str]] = {
    "without send_messages": (
        lambda discord, studio, ada: studio.channel("art", deny=["send_messages"]),
        "I need here: Send Messages.",
    ),
    "without attach_files": (
        lambda discord, studio, ada: studio.channel("art", deny=["attach_files"]),
        "I need here: Attach Files.",
    ),
    "without view_channel": (
        lambda discord, studio, ada: studio.channel("art", deny=["view_channel"]),
        "I need here: View Channel, Send Messages, Attach Files.",
    ),
    "in a thread without send_messages_in_threads": (
        lambda discord, studio, ada: studio.channel("art", deny=["send_messages_in_threads"]).thread("cats"),
        "I need here: Send Messages in Threads.",
    ),
}
#: Where the answer to the command is all that there is, and the words that say why.
ANSWERED_PLACES: dict[str, tuple[Somewhere, str]] = CLOSED_PLACES | {
    name: (somewhere, "I am not a member here") for name, somewhere in FOREIGN_PLACES.items()
}


@pytest.fixture
def studio(discord: FakeDiscord) -> Guild:
    return discord.guild("Studio")


@pytest.fixture
def ada(discord: FakeDiscord) -> Person:
    return discord.person("Ada")


@pytest.fixture
def art(studio: Guild) -> Channel:
    return studio.channel("art")


def size_of(message: FakeMessage) -> tuple[int, int]:
    return Image.open(io.BytesIO(message.attachments[0].data)).size


async def only_job(limner: Bot, person: Person) -> Job:
    (job,) = (await limner.service.belongings(asker(person))).jobs
    return job


def note(asked: Asked) -> str:
    """What the asker alone was told beside the answer."""
    (followup,) = asked.followups
    assert followup.ephemeral
    return followup.text


# Where the bot is at home


@pytest.mark.parametrize("somewhere", OWN_PLACES.values(), ids=OWN_PLACES)
async def test_the_picture_is_posted_where_it_was_asked_for(
    discord: FakeDiscord, bot: StartBot, studio: Guild, ada: Person, somewhere: Somewhere
) -> None:
    place = somewhere(discord, studio, ada)
    async with bot() as limner:
        asked = await ada.command(place, "generate", prompt="a cat", size="64x96")
        message = await painted(limner, asked)

        assert message.channel is place
        assert message.asked is None, "only to an ordinary message can be replied"
        assert size_of(message) == (64, 96)
        assert await told(asked) == f"Your picture will be here: {jump_link(message)}"
        assert [one for one in place.record if one is not message] == []


def jump_link(message: FakeMessage) -> str:
    guild = message.channel.guild.id if message.channel.guild else "@me"
    return f"https://discord.com/channels/{guild}/{message.channel.id}/{message.id}"


@pytest.mark.parametrize("adults", [False, True])
async def test_what_is_made_among_adults_is_marked_so(bot: StartBot, studio: Guild, ada: Person, adults: bool) -> None:
    place = studio.channel("art", nsfw=adults)
    async with bot() as limner:
        await paint(limner, ada, place.thread("cats"))

        assert (await only_job(limner, ada)).age_restricted is adults


@pytest.mark.parametrize(
    ("name", "limit"),
    [("a channel", 10 * 2**20), ("direct messages", 10 * 2**20), ("another server", 9 * 2**20)],
)
async def test_what_discord_says_of_file_sizes_goes_with_the_job(
    discord: FakeDiscord, bot: StartBot, studio: Guild, ada: Person, name: str, limit: int
) -> None:
    place = (OWN_PLACES | FOREIGN_PLACES)[name](discord, studio, ada)
    if name == "another server":
        assert place.guild
        place.guild.size_limit = limit
    async with bot() as limner:
        await painted(limner, await ada.command(place, "generate", prompt="a cat"))

        assert Origin.from_text((await only_job(limner, ada)).origin).filesize_limit == limit


# Where it can only answer


@pytest.mark.parametrize(("somewhere", "why"), ANSWERED_PLACES.values(), ids=ANSWERED_PLACES)
async def test_where_it_cannot_post_the_picture_comes_as_the_answer_and_why_is_told_first(
    discord: FakeDiscord, bot: StartBot, studio: Guild, ada: Person, somewhere: Somewhere, why: str
) -> None:
    place = somewhere(discord, studio, ada)
    async with bot() as limner:
        asked = await ada.command(place, "generate", prompt="a cat")
        message = await painted(limner, asked)
        job = await only_job(limner, ada)

    assert message is asked.original
    assert not message.ephemeral
    assert message.history[0][1] == "One moment."
    assert why in note(asked)
    assert SENTENCE in note(asked)
    first, second = [request for request in discord.requests if request.method == "POST"][-2:]
    assert (first.route.endswith("/callback"), second.route.startswith("/webhooks/")) == (True, True)
    assert first.time <= second.time <= job.created_at
    assert place.record == [message]


async def test_where_foreign_apps_must_be_quiet_all_of_it_is_private(
    discord: FakeDiscord, bot: StartBot, ada: Person
) -> None:
    elsewhere = discord.foreign_guild("Elsewhere")
    hall = elsewhere.channel("hall")
    elsewhere.forbid_external_apps()
    async with bot() as limner:
        message = await painted(limner, await ada.command(hall, "generate", prompt="a cat"))

        assert message.ephemeral
        assert hall.record == []


@pytest.mark.parametrize(("somewhere", "why"), ANSWERED_PLACES.values(), ids=ANSWERED_PLACES)
async def test_where_it_cannot_post_a_mistake_is_still_told_privately(
    discord: FakeDiscord, bot: StartBot, studio: Guild, ada: Person, somewhere: Somewhere, why: str
) -> None:
    place = somewhere(discord, studio, ada)
    async with bot() as limner:
        asked = await ada.command(place, "generate", prompt="a cat", size="huge")
        await asked.until(lambda asked: len(asked.followups) == 2 and not place.messages)

        assert [one.ephemeral for one in asked.followups] == [True, True]
        assert "1024x768" in asked.followups[-1].text
        assert await kept.nothing(limner, ada)


async def test_a_mistake_is_told_though_the_first_answer_cannot_be_taken_back(
    discord: FakeDiscord, bot: StartBot, ada: Person
) -> None:
    hall = discord.foreign_guild("Elsewhere").channel("hall")
    async with bot():
        discord.fail("DELETE", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", status=404)
        asked = await ada.command(hall, "generate", prompt="a cat", size="huge")
        await asked.until(lambda asked: len(asked.followups) == 2)

        assert "1024x768" in asked.followups[-1].text


async def test_german_is_told_in_german_which_permission_is_missing(
    discord: FakeDiscord, bot: StartBot, studio: Guild
) -> None:
    art = studio.channel("art", deny=["send_messages", "attach_files"])
    gerd = discord.person("Gerd", "de")
    async with bot() as limner:
        asked = await gerd.command(art, "generate", prompt="a cat")
        await painted(limner, asked)

        assert note(asked).startswith(
            "In diesem Kanal darf ich nicht schreiben; mir fehlt hier: Nachrichten senden, Dateien anhängen."
        )


async def test_what_is_made_in_another_server_stays_in_its_channel(
    discord: FakeDiscord, bot: StartBot, ada: Person
) -> None:
    elsewhere = discord.foreign_guild("Elsewhere")
    hall, garden = elsewhere.channel("hall"), elsewhere.channel("garden")
    ben = discord.person("Ben")
    async with bot() as limner:
        message = await painted(limner, await ada.command(hall, "generate", prompt="a cat"))
        (image,) = image_ids(message)

        refused = await ben.command(garden, "refine", prompt="in the snow", image=image)
        await refused.until(lambda refused: len(refused.followups) == 2)
        assert "no image" in refused.followups[-1].text

        await painted(limner, await ben.command(hall, "refine", prompt="in the snow", image=image))


# For the asker alone


@pytest.mark.parametrize(
    "somewhere",
    [*OWN_PLACES.values(), *(somewhere for somewhere, _ in ANSWERED_PLACES.values())],
    ids=[*OWN_PLACES, *ANSWERED_PLACES],
)
async def test_what_is_private_nobody_else_sees(
    discord: FakeDiscord, bot: StartBot, studio: Guild, ada: Person, somewhere: Somewhere
) -> None:
    place = somewhere(discord, studio, ada)
    async with bot() as limner:
        asked = await ada.command(place, "generate", prompt="a cat", private=True)
        message = await painted(limner, asked)
        job = await only_job(limner, ada)

        assert asked.answers == [message]
        assert message.ephemeral
        assert len(message.attachments) == 1
        assert place.record == []
        assert job.audience == ""


async def test_a_private_image_is_nobody_elses_to_refine(bot: StartBot, art: Channel, ada: Person) -> None:
    ben = art.fake.person("Ben")
    async with bot() as limner:
        message = await paint(limner, ada, art, private=True)
        asked = await ben.command(art, "refine", prompt="in the snow", image=image_ids(message)[0])

        assert "no image" in await told(asked)
        assert await kept.nothing(limner, ben)


async def test_a_private_refinement_is_private_too(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot() as limner:
        await paint(limner, ada, art)
        message = await painted(limner, await ada.command(art, "refine", prompt="in the snow", private=True))

        assert message.ephemeral
        assert len(art.record) == 1


# What stops a request


async def test_a_full_queue_is_told_with_when_to_come_back(bot: StartBot, art: Channel, ada: Person) -> None:
    executor = FakeExecutor()
    executor.hold()
    ben = art.fake.person("Ben")
    async with bot(executor, queue_limit=1) as limner:
        await ada.command(art, "generate", prompt="a cat")
        await art.fake.until(lambda: executor.works)
        await ada.command(art, "generate", prompt="a dog")
        await art.fake.until(lambda: len(art.messages) == 2)
        text = await told(await ben.command(art, "generate", prompt="a cow"))

        assert text.startswith("The queue is full. Please try again in ")
        assert await kept.jobs(limner, ben) == 0
        assert len(art.messages) == 2


async def test_a_restart_that_has_begun_is_told(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot() as limner:
        await limner.service.drain(0)
        text = await told(await ada.command(art, "generate", prompt="a cat"))

        assert text.startswith("Limner is restarting.")
        assert await kept.nothing(limner, ada)


@pytest.mark.parametrize("name", ["a channel", "another server"])
async def test_an_error_that_nobody_foresaw_is_told_and_logged(
    discord: FakeDiscord,
    bot: StartBot,
    studio: Guild,
    ada: Person,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    async def broken(*args: Any) -> Job:
        raise RuntimeError("the password is 1234")

    place = (OWN_PLACES | FOREIGN_PLACES)[name](discord, studio, ada)
    async with bot() as limner:
        monkeypatch.setattr(Service, "_accept", broken)
        with structlog.testing.capture_logs() as logs:
            asked = await ada.command(place, "generate", prompt="a cat")
            await asked.until(lambda asked: any("went wrong" in one.text for one in asked.answers))
            await discord.until(lambda: not place.messages)

        texts = [one.text for one in asked.answers]
        assert not any("1234" in text for text in texts)
        assert not any(one.thinking for one in asked.answers if not one.deleted)
        assert all(one.ephemeral for one in asked.answers if not one.deleted)
        assert [str(log["exc_info"]) for log in logs if log["log_level"] == "error"] == ["the password is 1234"]
        assert await kept.nothing(limner, ada)


async def test_a_picture_is_not_kept_where_an_error_comes_in_between(
    bot: StartBot, art: Channel, ada: Person, monkeypatch: pytest.MonkeyPatch, image_files: Callable[[], set[str]]
) -> None:
    async def broken(*args: Any) -> Job:
        raise RuntimeError

    async with bot() as limner:
        monkeypatch.setattr(Service, "_accept", broken)
        picture = Upload("mine.png", "image/png", png())
        with structlog.testing.capture_logs():
            text = await told(await ada.command(art, "refine", prompt="in the snow", picture=picture))

        assert "went wrong" in text
        assert await kept.nothing(limner, ada)
        assert image_files() == set()


async def test_a_restart_does_not_take_a_request_twice(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot() as limner:
        await paint(limner, ada, art)
        await at_rest(limner)
    async with bot() as limner:
        await paint(limner, ada, art, "a dog")

        assert await kept.jobs(limner, ada) == 2
        assert len(art.messages) == 2
