"""What is deleted, forgotten and purged is gone from Discord, from the disk and from the index."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.discord.words import words_for
from bot.errors import JobFailed
from tests.adapters.discord.conftest import Bot, StartBot
from tests.adapters.discord.delivering import noise, with_pngs
from tests.adapters.discord.watching import (
    asker,
    at_rest,
    begun,
    buttons,
    confirmed,
    delete,
    image,
    image_ids,
    paint,
    painted,
    press,
    spoken,
    told,
    until_painted,
)
from tests.fakes.discord import Asked, Channel, FakeDiscord, FakeMessage, Guild, Person
from tests.fakes.executor import FakeExecutor

ENGLISH = words_for("en")
MESSAGE = "/channels/{channel_id}/messages/{message_id}"
#: Told by nothing else.
SECRET = "zyxomma"

ImageFiles = Callable[[], set[str]]


@pytest.fixture
def admin(discord: FakeDiscord, guild: Guild) -> Person:
    admin = discord.person("Ida")
    guild.join(admin, manage_guild=True)
    return admin


async def ask_to_forget(person: Person, channel: Channel) -> FakeMessage:
    """The question whether they mean it."""
    asked = await person.command(channel, "limner forget")
    await told(asked)
    assert asked.original is not None
    return asked.original


async def forget(person: Person, channel: Channel) -> str:
    return await confirmed(person, await ask_to_forget(person, channel))


async def purge(admin: Person, channel: Channel, **options: Any) -> str:
    asked = await admin.command(channel, "limner purge", **options)
    await told(asked)
    assert asked.original is not None
    return await confirmed(admin, asked.original)


async def all_gone(discord: FakeDiscord, *messages: FakeMessage) -> None:
    await discord.until(lambda: all(message.deleted for message in messages), waiting=messages)


def takedowns(discord: FakeDiscord) -> list[str]:
    """Paths of messages that the bot tried to delete."""
    return [request.path for request in discord.requests if (request.method, request.route) == ("DELETE", MESSAGE)]


async def nothing_is_kept(limner: Bot, person: Person) -> bool:
    belongings = await limner.service.belongings(asker(person))
    return not (belongings.jobs or belongings.images or belongings.messages or belongings.deliveries)


async def failed(limner: Bot, executor: FakeExecutor, person: Person, channel: Channel) -> FakeMessage:
    executor.fail_next(JobFailed("painting_failed", "Boom"))
    message = await begun(await person.command(channel, "generate", prompt=SECRET))
    await channel.fake.until(lambda: buttons(message, "retry"))
    await at_rest(limner)
    return message


async def cancelled(limner: Bot, executor: FakeExecutor, person: Person, channel: Channel) -> FakeMessage:
    executor.hold()
    message = await begun(await person.command(channel, "generate", prompt=SECRET))
    await press(person, message, "cancel")
    await channel.fake.until(lambda: buttons(message, "retry"))
    await at_rest(limner)
    executor.release()
    return message


# Forget


async def test_whoever_is_forgotten_has_no_message_left_anywhere(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot, image_files: ImageFiles
) -> None:
    hall, executor = discord.guild("Another").channel("hall"), FakeExecutor()
    async with bot(executor) as limner:
        messages = [
            await paint(limner, ada, art, SECRET, images=2),
            await paint(limner, ada, hall, SECRET),
            await paint(limner, ada, art.thread("more"), SECRET),
            await spoken(limner, ada, discord.dm(ada), SECRET),
            await failed(limner, executor, ada, art),
            await cancelled(limner, executor, ada, art),
        ]
        assert await forget(ada, art) == ENGLISH.say("forgotten", images=5, jobs=6)
        await all_gone(discord, *messages)

        assert await nothing_is_kept(limner, ada)
        assert len(takedowns(discord)) == len(set(takedowns(discord))) == len(messages)
    assert image_files() == set()


async def test_what_others_made_of_it_and_their_own_stays(
    discord: FakeDiscord, art: Channel, ada: Person, ben: Person, bot: StartBot, image_files: ImageFiles
) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art)
        own = await paint(limner, ben, art)
        child = await painted(limner, await ben.submit(await press(ben, first, "refine"), {"prompt": "warmer"}))
        await forget(ada, art)
        await all_gone(discord, first)

        assert art.messages == [own, child]
        assert "Refined from" in await told(await press(ben, child, "recipe"))
        assert (await image(limner, child, ben)).parent_id is None
        await painted(limner, await press(ben, own, "again"))
    assert len(image_files()) == 3


async def test_what_waits_and_what_is_painted_is_cancelled_and_others_go_on(
    discord: FakeDiscord, art: Channel, ada: Person, ben: Person, bot: StartBot, image_files: ImageFiles
) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2)
    async with bot(executor) as limner:
        running, waiting = [await begun(await ada.command(art, "generate", prompt=SECRET)) for _ in range(2)]
        theirs = await begun(await ben.command(art, "generate", prompt="a dog"))
        await forget(ada, art)
        await all_gone(discord, running, waiting)
        executor.release()
        await until_painted(limner, theirs)

        assert art.messages == [theirs]
        assert discord.dm(ada).messages == []
        assert await nothing_is_kept(limner, ada)
    assert len(image_files()) == 1


@pytest.mark.parametrize("way", ["command", "mention"])
async def test_what_is_asked_for_while_one_is_forgotten_is_painted_or_gone(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot, image_files: ImageFiles, way: str
) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art)
        question = await ask_to_forget(ada, art)
        sure = await ada.click(question, "Erase all of it")
        if way == "command":
            await ada.command(art, "generate", prompt="a dog")
        else:
            await ada.say(art, "<@bot> a dog")
        await sure.until(lambda _: question.text.startswith("Erased"))
        await all_gone(discord, first)
        await at_rest(limner)

        left = (await limner.service.belongings(asker(ada))).images
        shown = [message for message in art.messages if message.author is discord.bot]
        await discord.until(lambda: [image_ids(message) for message in shown] == [[one.id] for one in left])
    assert len(image_files()) == len(left)


async def test_a_message_that_is_gone_already_is_no_obstacle(
    discord: FakeDiscord, guild: Guild, art: Channel, ada: Person, bot: StartBot
) -> None:
    cellar, attic = guild.channel("cellar"), guild.channel("attic", private=True)
    async with bot() as limner:
        removed = await paint(limner, ada, art)
        await paint(limner, ada, cellar)
        hidden = await paint(limner, ada, attic)
        last = await paint(limner, ada, art)
        removed.remove()
        cellar.delete()
        attic.deny("view_channel")
        await forget(ada, art)
        await all_gone(discord, last)

        assert not hidden.deleted
        assert await nothing_is_kept(limner, ada)


async def test_a_server_that_put_the_bot_out_is_no_obstacle(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    another = discord.guild("Another")
    async with bot() as limner:
        lost = await paint(limner, ada, another.channel("hall"))
        last = await paint(limner, ada, art)
        another.kick_bot()
        await forget(ada, art)
        await all_gone(discord, last)

        assert not lost.deleted
        assert await nothing_is_kept(limner, ada)


async def test_a_message_that_cannot_be_taken_down_at_once_is_taken_down_later(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        # The connection is cut; discord.py gives up at once then.
        discord.fail("DELETE", MESSAGE, status=None, times=3)
        await forget(ada, art)
        await all_gone(discord, message)


async def test_what_only_one_person_sees_goes_too_while_discord_allows_it(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        old = await paint(limner, ada, art, private=True)
        discord.clock.advance(20 * 60)
        fresh = await paint(limner, ada, art, private=True)
        last = await paint(limner, ada, art)
        await forget(ada, art)
        await all_gone(discord, fresh, last)

        assert not old.deleted
        assert await told(await press(ada, old, "recipe")) == ENGLISH.say("refusal.not_found.image")


async def test_where_the_bot_is_no_member_its_answer_goes_while_discord_allows_it(
    discord: FakeDiscord, ada: Person, bot: StartBot
) -> None:
    lawn = discord.foreign_guild("Foreign").channel("lawn")
    async with bot() as limner:
        message = await paint(limner, ada, lawn)
        await forget(ada, lawn)
        await all_gone(discord, message)

        assert await nothing_is_kept(limner, ada)


async def test_who_is_stopped_while_messages_are_taken_down_takes_them_down_first(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        messages = [await paint(limner, ada, art) for _ in range(3)]
        discord.delay("DELETE", MESSAGE, 0.05)
        await forget(ada, art)

    assert [message for message in messages if not message.deleted] == []


async def test_no_word_of_who_is_forgotten_is_left_on_the_disk(
    discord: FakeDiscord, art: Channel, ada: Person, ben: Person, bot: StartBot, tmp_path: Path
) -> None:
    long = " ".join([SECRET] * 200)
    executor = FakeExecutor()
    async with bot(executor) as limner:
        await paint(limner, ada, art, long, negative_prompt=SECRET, images=2)
        await failed(limner, executor, ada, art)
        await cancelled(limner, executor, ada, art)
        await paint(limner, ben, art, "a dog")
        assert SECRET in words_on(tmp_path)
        await forget(ada, art)

        assert SECRET not in words_on(tmp_path)
        assert "a dog" in words_on(tmp_path)
    assert SECRET not in words_on(tmp_path)


def words_on(folder: Path) -> str:
    """All bytes of all files."""
    return "".join(path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file())


async def test_mydata_holds_everything_before_and_nothing_after(
    discord: FakeDiscord, art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    executor = FakeExecutor()
    async with bot(executor) as limner:
        public = await paint(limner, ada, art, "a cat", images=2)
        private = await paint(limner, ada, art, "a dog", private=True)
        direct = await spoken(limner, ada, discord.dm(ada), "a cow")
        await failed(limner, executor, ada, art)
        await paint(limner, ben, art, "a bee")
        told_before, archive = await mydata(ada, art)
        ids = {image_id for message in (public, private, direct) for image_id in image_ids(message)}
        assert set(archive.namelist()) == {"limner.json", *(f"images/{image_id}.png" for image_id in ids)}
        assert archive.read(f"images/{image_ids(direct)[0]}.png") == direct.attachments[0].data
        assert [job["request"]["prompt"] for job in told_before["jobs"]] == ["a cat", "a dog", "a cow", SECRET]
        assert {one["message_id"] for one in told_before["messages"]} == {
            str(message.id) for message in (public, private, direct)
        }
        await forget(ada, art)
        told_after, archive = await mydata(ada, art)

        assert told_after == {"jobs": [], "images": [], "messages": [], "decisions": []}
        assert archive.namelist() == ["limner.json"]


async def test_mydata_gives_away_no_key_to_answer_with(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        asked = await ada.command(art, "generate", prompt="a cat")
        await painted(limner, asked)
        told_now, _ = await mydata(ada, art)

        assert told_now["jobs"]
        assert asked.token not in json.dumps(told_now)


async def mydata(person: Person, channel: Channel) -> tuple[dict[str, Any], zipfile.ZipFile]:
    asked: Asked = await person.command(channel, "limner mydata")
    await told(asked)
    assert asked.original is not None
    assert asked.original.ephemeral
    archive = zipfile.ZipFile(io.BytesIO(asked.original.attachments[0].data))
    return json.loads(archive.read("limner.json")), archive


async def test_nobody_is_forgotten_by_a_no(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        question = await ask_to_forget(ada, art)
        await ada.click(question, "Keep it")
        await art.fake.until(lambda: question.text == "Nothing was erased.")

        assert not message.deleted
        assert not await nothing_is_kept(limner, ada)


async def test_who_is_forgotten_twice_is_told_that_nothing_was_there(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await paint(limner, ada, art)
        questions = [await ask_to_forget(ada, art) for _ in range(2)]
        await confirmed(ada, questions[0])

        assert await confirmed(ada, questions[1]) == ENGLISH.say("forgotten", images=0, jobs=0)


# Purge


async def test_a_purge_takes_all_messages_of_this_server_down(
    discord: FakeDiscord, art: Channel, ada: Person, ben: Person, admin: Person, bot: StartBot, image_files: ImageFiles
) -> None:
    hall, executor = discord.guild("Another").channel("hall"), FakeExecutor()
    async with bot(executor) as limner:
        here = [
            await paint(limner, ada, art, images=2),
            await paint(limner, ben, art),
            await failed(limner, executor, ada, art),
            await cancelled(limner, executor, ben, art),
        ]
        there = await paint(limner, ada, hall)
        direct = await spoken(limner, ada, discord.dm(ada), "a cat")
        assert await purge(admin, art) == ENGLISH.say("purged", images=3, jobs=4)
        await all_gone(discord, *here)

        assert not there.deleted
        assert not direct.deleted
    assert len(image_files()) == 2


async def test_a_purge_leaves_what_is_not_painted_yet(
    discord: FakeDiscord, art: Channel, ada: Person, admin: Person, bot: StartBot
) -> None:
    executor = FakeExecutor()
    async with bot(executor) as limner:
        done = await paint(limner, ada, art)
        executor.hold()
        waiting = await begun(await ada.command(art, "generate", prompt="a dog"))
        assert await purge(admin, art) == ENGLISH.say("purged", images=1, jobs=1)
        await all_gone(discord, done)
        executor.release()
        await until_painted(limner, waiting)

        assert art.messages == [waiting]


async def test_a_purge_of_one_person_leaves_the_others(
    discord: FakeDiscord, art: Channel, ada: Person, ben: Person, admin: Person, bot: StartBot
) -> None:
    executor = FakeExecutor()
    async with bot(executor) as limner:
        theirs = [await paint(limner, ada, art), await failed(limner, executor, ada, art)]
        own = await paint(limner, ben, art)
        await purge(admin, art, person=ada)
        await all_gone(discord, *theirs)

        assert not own.deleted


async def test_a_purge_by_age_leaves_what_is_younger(
    discord: FakeDiscord, art: Channel, ada: Person, admin: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        old = await paint(limner, ada, art)
        discord.clock.advance(3 * 24 * 3600)
        young = await paint(limner, ada, art)
        await purge(admin, art, older_than_days=2)
        await all_gone(discord, old)

        assert not young.deleted


async def test_whoever_lost_the_right_to_purge_before_saying_yes_purges_nothing(
    guild: Guild, art: Channel, ada: Person, admin: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        asked = await admin.command(art, "limner purge")
        await told(asked)
        guild.members[admin.id].clear()
        assert asked.original is not None

        assert await confirmed(admin, asked.original) == ENGLISH.say("refusal.forbidden")
        assert not message.deleted


async def test_a_purge_takes_the_words_off_the_disk_too(
    discord: FakeDiscord, art: Channel, ada: Person, admin: Person, bot: StartBot, tmp_path: Path
) -> None:
    async with bot() as limner:
        await paint(limner, ada, art, SECRET)
        await purge(admin, art)

        assert SECRET not in words_on(tmp_path)


# Delete


async def test_a_picture_that_is_deleted_is_gone_from_discord_too(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, images=2)
        gone = message.attachments[0]
        await delete(ada, message)

        assert gone not in message.attachments
        assert (await limner.service.belongings(asker(ada))).images[0].id == image_ids(message)[0]


async def test_of_a_set_as_files_of_another_kind_the_right_picture_goes(
    discord: FakeDiscord, ada: Person, bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was too large for a PNG has another suffix."""
    with_pngs(monkeypatch, noise(256))
    art = discord.guild("Small", size_limit=120_000).channel("art")
    async with bot() as limner:
        message = await paint(limner, ada, art, images=2)
        kept = image_ids(message)[1]
        assert [one.filename.endswith(".png") for one in message.attachments] == [False, False]
        await delete(ada, message)

        assert [one.filename.partition(".")[0] for one in message.attachments] == [kept]
