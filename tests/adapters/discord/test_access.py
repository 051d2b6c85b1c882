"""Who may do what with whose image, by whichever door they come; and that nothing rings for anybody."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from adapters.discord.words import words_for
from tests.adapters.discord.conftest import Bot, StartBot
from tests.adapters.discord.watching import (
    answer_to,
    at_rest,
    begun,
    buttons,
    delete,
    image_ids,
    paint,
    painted,
    press,
    spoken,
    subject,
    told,
    until_painted,
)
from tests.fakes.discord import Asked, Channel, FakeDiscord, FakeMessage, Guild, Person
from tests.fakes.discord.kinds import Answer
from tests.fakes.discord.messages import Contents
from tests.fakes.executor import FakeExecutor

ENGLISH = words_for("en")
UNKNOWN = ENGLISH.say("refusal.not_found.image")
FOR_ADULTS = ENGLISH.say("refusal.age_restricted")
FORBIDDEN = ENGLISH.say("refusal.forbidden")
#: Said before anything is known.
PREAMBLE = (ENGLISH.say("received"), ENGLISH.say("not_a_member"))

#: Where Ada's image was made -> where others may see it.
SEEN_IN = {
    "art": {"art", "garden", "attic", "thread", "adults"},
    "attic": {"attic"},
    "thread": {"thread"},
    "adults": {"adults"},
    "direct": set[str](),
    "private": set[str](),
    "hall": {"hall"},
    "lawn": {"lawn"},
}
PLACES = ["art", "garden", "attic", "thread", "adults", "direct", "hall", "lawn"]


class World:
    def __init__(self, discord: FakeDiscord, studio: Guild) -> None:
        self.discord = discord
        self.studio = studio
        self.art = studio.channel("art")
        self._channels = {
            "art": self.art,
            "garden": studio.channel("garden"),
            "attic": studio.channel("attic", private=True),
            "thread": self.art.thread("thread", private=True),
            "adults": studio.channel("adults", nsfw=True),
            # The bot is in this one too.
            "hall": discord.guild("Another").channel("hall"),
            # Here it is not.
            "lawn": discord.foreign_guild("Foreign").channel("lawn"),
        }

    def place(self, name: str, person: Person) -> Channel:
        return self.discord.dm(person) if name == "direct" else self._channels[name]


@pytest.fixture
def world(discord: FakeDiscord, guild: Guild) -> World:
    return World(discord, guild)


async def made(world: World, limner: Bot, ada: Person, source: str) -> FakeMessage:
    if source == "private":
        return await paint(limner, ada, world.art, private=True)
    return await paint(limner, ada, world.place(source, ada))


@dataclass(frozen=True)
class Attempt:
    """Somebody comes for an image."""

    person: Person
    channel: Channel
    image_id: str
    link: str


@dataclass(frozen=True)
class Outcome:
    """How it was answered: `window`, `painted`, or in words."""

    text: str
    callback: Answer | None


async def outcome(asked: Asked) -> Outcome:
    def found() -> str | None:
        if asked.modal is not None:
            return "window"
        for message in asked.answers[::-1]:
            if message is asked.message or message.thinking or message.text in PREAMBLE:
                continue
            if message.text.startswith("Your picture will be here") or buttons(message, "cancel"):
                return "painted"
            assert message.ephemeral
            return message.text
        return None

    text = await asked.fake.until(found, waiting=asked)
    assert text is not None
    return Outcome(text, asked.callback_type)


def planted(channel: Channel, *custom_ids: str) -> FakeMessage:
    """By the bot, with buttons that say what no such message here should say."""
    part = [{"type": 2, "style": 2, "label": one.split(":")[1], "custom_id": one} for one in custom_ids]
    rows = [{"type": 1, "components": part[:5]}, {"type": 1, "components": part[5:]}][: 1 + (len(part) > 5)]
    fake = channel.fake
    message = FakeMessage(
        id=fake.clock.snowflake(),
        channel=channel,
        author=fake.bot,
        contents=Contents("Something", components=rows),
        created=fake.clock.now(),
    )
    channel.keep(message)
    return message


def result(attempt: Attempt) -> FakeMessage:
    actions = ("refine", "vary", "again", "recipe", "delete")
    return planted(attempt.channel, *(f"limner:{action}:{attempt.image_id}" for action in actions))


async def by_id(attempt: Attempt) -> Outcome:
    return await outcome(
        await attempt.person.command(attempt.channel, "refine", prompt="warmer", image=attempt.image_id)
    )


async def by_link(attempt: Attempt) -> Outcome:
    return await outcome(await attempt.person.command(attempt.channel, "refine", prompt="warmer", image=attempt.link))


def by_button(action: str) -> Callable[[Attempt], Awaitable[Outcome]]:
    async def pressed(attempt: Attempt) -> Outcome:
        return await outcome(await press(attempt.person, result(attempt), action))

    return pressed


def by_menu(name: str) -> Callable[[Attempt], Awaitable[Outcome]]:
    async def chosen(attempt: Attempt) -> Outcome:
        return await outcome(await attempt.person.menu(attempt.channel, name, result(attempt)))

    return chosen


async def by_window(attempt: Attempt) -> Outcome:
    """Opened for an image that one may see, and sent back for another."""
    own = result(attempt)
    window = await attempt.person.menu(attempt.channel, "Refine image", own)
    await window.until(lambda window: window.acknowledged)
    window.modal = {
        "custom_id": f"limner:refine:{attempt.image_id}",
        "title": "Refine image",
        "components": [{"type": 18, "component": {"type": 4, "custom_id": "prompt", "value": "warmer"}}],
    }
    return await outcome(await attempt.person.submit(window))


async def by_words(attempt: Attempt) -> Outcome:
    return await _spoken(await attempt.person.say(attempt.channel, f"<@bot> warmer --image {attempt.image_id}"))


async def by_reply(attempt: Attempt) -> Outcome:
    return await _spoken(await attempt.person.say(attempt.channel, "warmer", reply_to=result(attempt)))


async def _spoken(said: FakeMessage) -> Outcome:
    answer = await answer_to(said)
    return Outcome("painted" if buttons(answer, "cancel") else answer.text, None)


#: Each with what it is answered with where it is allowed.
DOORS: dict[str, tuple[Callable[[Attempt], Awaitable[Outcome]], str]] = {
    "/refine image": (by_id, "painted"),
    "/refine link": (by_link, "painted"),
    "Refine": (by_button("refine"), "window"),
    "Vary": (by_button("vary"), "painted"),
    "Again": (by_button("again"), "painted"),
    "Recipe": (by_button("recipe"), "**Recipe**"),
    "menu Refine image": (by_menu("Refine image"), "window"),
    "menu Show recipe": (by_menu("Show recipe"), "**Recipe**"),
    "window": (by_window, "painted"),
    "mention": (by_words, "painted"),
    "reply": (by_reply, "painted"),
}
NOT_ABROAD = ("mention", "reply")


def doors(place: str) -> list[str]:
    """The bot hears nothing of messages where it is not."""
    return [door for door in DOORS if place != "lawn" or door not in NOT_ABROAD]


@pytest.mark.parametrize("place", ["art", "adults", "direct", "lawn"])
@pytest.mark.parametrize("source", SEEN_IN)
async def test_who_made_an_image_may_use_it_everywhere_but_in_front_of_minors(
    world: World, ada: Person, bot: StartBot, source: str, place: str
) -> None:
    executor = FakeExecutor()
    async with bot(executor) as limner:
        await limner.client.wait_until_ready()
        attempt = await attempted(world, limner, executor, ada, ada, source, place)
        allowed = source != "adults" or place == "adults"
        for door in doors(place):
            open_door, word = DOORS[door]
            found = (await open_door(attempt)).text
            assert found.startswith(word) if allowed else found == FOR_ADULTS, door

        offered = await ada.complete(attempt.channel, "refine", "image", attempt.image_id)
        assert [choice["value"] for choice in offered] == [attempt.image_id] * allowed
        # Also from afar.
        asked = await press(ada, result(attempt), "delete")
        assert await told(asked) == ENGLISH.say("confirm.delete")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("source", SEEN_IN)
async def test_others_may_use_an_image_where_they_see_it_and_else_it_is_not_there(
    world: World, ada: Person, ben: Person, bot: StartBot, source: str, place: str
) -> None:
    executor = FakeExecutor()
    async with bot(executor) as limner:
        await limner.client.wait_until_ready()
        attempt = await attempted(world, limner, executor, ada, ben, source, place)
        allowed = place in SEEN_IN[source]
        for door in doors(place):
            open_door, word = DOORS[door]
            found = (await open_door(attempt)).text
            assert found.startswith(word) if allowed else found == UNKNOWN, door

        assert await ben.complete(attempt.channel, "refine", "image", attempt.image_id) == []
        deleting = await told(await press(ben, result(attempt), "delete"))
        assert deleting == (FORBIDDEN if allowed else UNKNOWN)


async def attempted(
    world: World, limner: Bot, executor: FakeExecutor, ada: Person, person: Person, source: str, place: str
) -> Attempt:
    """From here on nothing is painted any more, only accepted."""
    message = await made(world, limner, ada, source)
    executor.hold()
    home = message.channel.guild.id if message.channel.guild else "@me"
    return Attempt(
        person,
        world.place(place, person),
        image_ids(message)[0],
        f"https://discord.com/channels/{home}/{message.channel.id}/{message.id}",
    )


@pytest.mark.parametrize("place", ["art", "attic", "direct", "hall", "lawn"])
async def test_what_may_not_be_seen_is_answered_like_what_never_was(
    world: World, ada: Person, ben: Person, bot: StartBot, place: str
) -> None:
    executor = FakeExecutor()
    async with bot(executor) as limner:
        await limner.client.wait_until_ready()
        there = await attempted(world, limner, executor, ada, ben, "private", place)
        never = Attempt(ben, there.channel, str(uuid.uuid4()), there.link[:-3] + "000")
        for door in doors(place):
            open_door, _ = DOORS[door]
            found = await open_door(there)
            assert found == await open_door(never), door
            assert found.text == UNKNOWN
        for action in ("delete", "confirm_delete"):
            found, other = [
                await outcome(await press(ben, planted(one.channel, f"limner:{action}:{one.image_id}"), action))
                for one in (there, never)
            ]
            assert found == other
            assert found.text == UNKNOWN


async def test_a_moderator_deletes_what_they_see_and_nothing_else(
    world: World, ada: Person, mo: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await limner.client.wait_until_ready()
        for source in ("attic", "thread", "private", "hall"):
            image_id = image_ids(await made(world, limner, ada, source))[0]
            asked = await press(mo, planted(world.art, f"limner:delete:{image_id}"), "delete")
            assert await told(asked) == UNKNOWN
            sure = await press(mo, planted(world.art, f"limner:confirm_delete:{image_id}"), "confirm_delete")
            assert await told(sure) == UNKNOWN
        message = await made(world, limner, ada, "art")
        assert await delete(mo, message) == ENGLISH.say("deleted")

        assert message.deleted


@pytest.mark.parametrize("action", ["cancel", "retry"])
@pytest.mark.parametrize(
    ("source", "place", "known"),
    [
        ("art", "art", True),
        ("art", "garden", True),
        ("art", "hall", False),
        ("art", "direct", False),
        ("attic", "art", False),
        ("attic", "attic", True),
        ("private", "art", False),
        ("direct", "direct", False),
        ("lawn", "lawn", True),
        ("lawn", "art", False),
        ("adults", "art", False),
        ("adults", "adults", True),
    ],
)
async def test_a_job_that_one_may_not_see_is_not_there(
    world: World, ada: Person, ben: Person, bot: StartBot, source: str, place: str, known: bool, action: str
) -> None:
    unknown = ENGLISH.say("refusal.not_found.job")
    async with bot(FakeExecutor(ready=False)) as limner:
        await limner.client.wait_until_ready()
        if source == "private":
            asked = await ada.command(world.art, "generate", prompt="a cat", private=True)
        else:
            asked = await ada.command(world.place(source, ada), "generate", prompt="a cat")
        job_id = subject(buttons(await begun(asked), "cancel")[0])
        answers = []
        for one in (job_id, str(uuid.uuid4())):
            message = planted(world.place(place, ben), f"limner:{action}:{one}")
            answers.append(await outcome(await press(ben, message, action)))

        assert answers[1].text == unknown
        if known:
            assert answers[0].text == {"cancel": FORBIDDEN, "retry": "painted"}[action]
        else:
            assert answers[0] == answers[1]


async def test_of_a_message_that_one_may_not_see_the_number_of_images_is_not_told(
    world: World, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await limner.client.wait_until_ready()
        message = await paint(limner, ada, world.place("attic", ada), images=3)
        link = f"https://discord.com/channels/{world.studio.id}/{message.channel.id}/{message.id}"

        assert await told(await ben.command(world.art, "refine", prompt="warmer", image=link)) == UNKNOWN
        assert "3 images" in await told(await ada.command(world.art, "refine", prompt="warmer", image=link))


async def test_what_comes_of_an_image_is_seen_where_it_was_made(
    world: World, ada: Person, ben: Person, bot: StartBot
) -> None:
    """Refined in public, a private channel's image is public: whoever may see it decided so."""
    attic = world.place("attic", ada)
    async with bot() as limner:
        await limner.client.wait_until_ready()
        first = await paint(limner, ada, attic)
        asked = await ada.command(world.art, "refine", prompt="warmer", image=image_ids(first)[0])
        second = await painted(limner, asked)
        assert "**Recipe**" in await told(await press(ben, second, "recipe"))
        assert await told(await press(ben, planted(world.art, buttons(first, "recipe")[0]), "recipe")) == UNKNOWN
        # Doing again what was done with an image takes that image.
        assert await told(await press(ben, second, "again")) == ENGLISH.say("refusal.not_found.parent")


async def test_a_channel_that_is_closed_later_keeps_what_was_open(
    world: World, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await limner.client.wait_until_ready()
        message = await paint(limner, ada, world.art)
        world.art.shut_out(ben)

        asked = await ben.command(world.place("garden", ben), "refine", prompt="warmer", image=image_ids(message)[0])
        await painted(limner, asked)


# Nothing rings

LOUD = "@everyone @here <@&{role}> <@{ben}> <@!{ben}> @Ben"


@pytest.fixture
def loud(guild: Guild, ben: Person) -> str:
    guild.join(ben)
    return LOUD.format(role=guild.id, ben=ben.id)


def said_by_the_bot(discord: FakeDiscord) -> list[FakeMessage]:
    return [message for message in discord.messages.values() if message.author is discord.bot]


async def test_no_prompt_rings_wherever_it_is_shown(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot, loud: str
) -> None:
    executor = FakeExecutor()
    async with bot(executor) as limner:
        first = await paint(limner, ada, art, loud, negative_prompt=loud, images=2)
        await told(await press(ada, first, "recipe"))
        await told(await ada.menu(art, "Show recipe", first))
        await painted(limner, await press(ada, first, "vary"))
        await painted(limner, await ada.submit(await press(ada, first, "refine"), {"prompt": loud}))
        await spoken(limner, ada, art, f"<@bot> {loud}")
        await paint(limner, ada, art, loud, private=True)
        await told(await ada.command(art, "generate", prompt="a cat", style=loud))
        await told(await ada.command(art, "refine", prompt="a cat", image=loud))
        await told(await ada.command(art, "generate", prompt="a cat", size=loud))
        await answer_to(await ada.say(art, f"<@bot> a cat --steps {loud}"))
        await delete(ada, first)

        check_silent(discord)


async def test_no_ending_rings(discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot, loud: str) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor) as limner:
        message = await begun(await ada.command(art, "generate", prompt=loud))
        pressed = await press(ada, message, "cancel")
        await pressed.until(lambda _: "Cancelled." in message.content)
        await at_rest(limner)

        check_silent(discord)


async def test_nothing_rings_in_direct_messages_and_abroad(
    discord: FakeDiscord, world: World, ada: Person, bot: StartBot, loud: str
) -> None:
    async with bot() as limner:
        await paint(limner, ada, world.place("lawn", ada), loud)
        await spoken(limner, ada, discord.dm(ada), loud)
        await ada.say(world.art, f"<@bot> {loud} --private")
        message = await discord.until(lambda: next(iter(discord.dm(ada).messages[2:]), None))
        assert message is not None
        await until_painted(limner, message)

        check_silent(discord)


def check_silent(discord: FakeDiscord) -> None:
    assert [message for message in said_by_the_bot(discord) if message.pings] == []
    texts = [request for request in discord.requests if isinstance(request.body, dict)]
    texts = [request for request in texts if "content" in (request.body.get("data") or request.body)]
    assert texts
    for request in texts:
        allowed = (request.body.get("data") or request.body).get("allowed_mentions")
        assert allowed is not None, request
        assert not allowed.get("parse"), request
        assert not allowed.get("users"), request
        assert not allowed.get("roles"), request
        assert not allowed.get("replied_user"), request
