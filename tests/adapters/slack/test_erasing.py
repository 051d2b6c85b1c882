"""What is deleted, forgotten and purged is gone from Slack, from the disk and from the index."""

import asyncio
import io
import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.slack.words import words_for
from bot.app import DATABASE
from bot.errors import JobFailed
from tests.adapters.slack.conftest import Bot, StartBot
from tests.adapters.slack.watching import Rows, answered, asker, finished, image_of, paint, requests, settled, shown_in
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeMessage, FakeSlack, Person

ENGLISH = words_for("en")
#: Told by nothing else.
SECRET = "zyxomma"


@pytest.fixture
def mo(slack: FakeSlack) -> Person:
    return slack.person("Mo", admin=True)


def kept(slack: FakeSlack) -> int:
    """Files that are on Slack."""
    return sum(file.completed and not file.deleted for file in slack.files)


async def asked_whether(channel: Channel, person: Person, asking: Any) -> FakeMessage:
    """The question."""
    await answered(channel, person, asking)
    return channel.whispers[-1]


async def confirmed(slack: FakeSlack, person: Person, question: FakeMessage) -> str:
    """What stands there after a yes."""
    (yes,) = (one for one in question.action_ids if "confirm" in one)
    await person.click(question, yes)
    await slack.until(lambda: question.labels == [], waiting="an answer in place of the question")
    return question.shown


async def delete(slack: FakeSlack, person: Person, message: FakeMessage, label: str = "Delete") -> str:
    question = await asked_whether(message.channel, person, person.click(message, label))
    return await confirmed(slack, person, question)


async def forget(slack: FakeSlack, person: Person, channel: Channel) -> str:
    question = await asked_whether(channel, person, person.command(channel, "/limner", "forget"))
    return await confirmed(slack, person, question)


async def purge(slack: FakeSlack, person: Person, channel: Channel, text: str = "") -> str:
    question = await asked_whether(channel, person, person.command(channel, "/limner", f"purge {text}"))
    return await confirmed(slack, person, question)


async def gone(slack: FakeSlack, *messages: FakeMessage, files: int = 0) -> None:
    await slack.until(lambda: all(one.deleted for one in messages) and kept(slack) == files, waiting=messages)


async def failed(slack: FakeSlack, rows: Rows, executor: FakeExecutor, person: Person, channel: Channel) -> FakeMessage:
    executor.fail_next(JobFailed("painting_failed", "Boom"))
    owed = len(rows.states()) + 1
    await person.command(channel, "/generate", SECRET)
    await settled(slack, rows, ["delivered"] * owed)
    return channel.messages[-1]


async def nothing_is_kept(limner: Bot, person: Person) -> bool:
    belongings = await limner.service.belongings(asker(person))
    return not (belongings.jobs or belongings.images or belongings.messages or belongings.deliveries)


# Delete


@pytest.mark.parametrize("who", ["ada", "mo"])
async def test_an_image_that_is_deleted_takes_its_message_and_its_file_along(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows, who: str
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        assert await delete(slack, {"ada": ada, "mo": mo}[who], message) == ENGLISH.say("deleted")

        assert message.deleted
        assert kept(slack) == 0
        assert (await limner.service.belongings(asker(ada))).images == []


async def test_a_no_keeps_the_image(slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
        question = await asked_whether(art, ada, ada.click(message, "Delete"))
        assert question.labels == ["Delete for good", "Keep it"]
        await ada.click(question, "Keep it")
        await slack.until(lambda: question.shown == ENGLISH.say("kept"))

    assert question.labels == []
    assert not message.deleted
    assert kept(slack) == 1


async def test_a_stranger_is_not_even_asked(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        answer = await asked_whether(art, ben, ben.click(await paint(slack, rows, ada, art), "Delete"))

    assert answer.shown == ENGLISH.say("refusal.forbidden")
    assert answer.labels == []


async def test_of_a_set_only_the_picture_that_is_deleted_goes(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art, "a cat --images 3")
        question = await asked_whether(art, ada, ada.click(message, "Delete 2"))
        assert question.shown == ENGLISH.say("confirm.delete.number", number=2)
        assert await confirmed(slack, ada, question) == ENGLISH.say("deleted")
        assert (len(message.pictures), kept(slack)) == (2, 2)
        assert [label for label in message.labels if label.startswith("Refine")] == ["Refine 1", "Refine 3"]
        for label in ("Delete 1", "Delete 3"):
            await delete(slack, ada, message, label)

    assert message.deleted
    assert kept(slack) == 0


async def test_who_deletes_twice_is_told_that_it_is_gone(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
        questions = [await asked_whether(art, ada, ada.click(message, "Delete")) for _ in range(2)]
        await confirmed(slack, ada, questions[0])

        assert await confirmed(slack, ada, questions[1]) == ENGLISH.say("refusal.not_found.image")


async def test_a_message_that_an_admin_took_away_before_is_no_obstacle(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
        question = await asked_whether(art, ada, ada.click(message, "Delete"))
        message.remove()

        assert await confirmed(slack, ada, question) == ENGLISH.say("deleted")
    assert kept(slack) == 0


@pytest.mark.parametrize("method", ["chat.delete", "files.delete"])
@pytest.mark.parametrize("status", [500, None], ids=["500", "cut"])
async def test_what_does_not_work_at_once_is_tried_again(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, method: str, status: int | None
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
        slack.fail(method, status=status, times=2)

        assert await delete(slack, ada, message) == ENGLISH.say("deleted")
    assert message.deleted
    assert kept(slack) == 0


async def test_a_message_that_cannot_be_taken_away_is_told_to_stay(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
        slack.fail("chat.delete", error="cant_delete_message", times=None)

        assert await delete(slack, ada, message) == ENGLISH.say("deleted.not_taken_down")
    assert kept(slack) == 0


async def test_pictures_that_came_apart_go_with_their_message(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    slack.blocks_show_files = False
    async with bot():
        await ada.command(art, "/generate", "a cat --images 2")
        await settled(slack, rows, ["delivered"])
        words, pictures = (next(one for one in art.messages if one.labels), next(iter(finished(art))))
        assert words is not pictures
        await delete(slack, ada, words, "Delete 1")
        assert kept(slack) == 1
        assert ENGLISH.say("apart") in words.shown
        await delete(slack, ada, words, "Delete 2")

    assert art.messages == []
    assert kept(slack) == 0


async def test_a_question_that_is_too_old_to_be_replaced_is_answered_besides(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
        question = await asked_whether(art, ada, ada.click(message, "Delete"))
        slack.fail("response_url", status=404)

        assert await answered(art, ada, ada.click(question, "Delete for good")) == ENGLISH.say("deleted")


# Forget


async def test_whoever_is_forgotten_has_no_message_left_anywhere(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, tmp_path: Path
) -> None:
    executor, talk = FakeExecutor(), slack.dm(ada)
    async with bot(executor) as limner:
        first = await paint(slack, rows, ada, art, f"{SECRET} --images 2")
        messages = [first, await paint(slack, rows, ada, talk, SECRET), await failed(slack, rows, executor, ada, art)]
        await ada.mention(art, SECRET, thread=first)
        messages.append(await shown_in(slack, art, 2))
        await settled(slack, rows, ["delivered"] * 4)
        assert SECRET in words_on(tmp_path)
        assert await forget(slack, ada, art) == ENGLISH.say("forgotten", images=4, jobs=4)
        await gone(slack, *messages)

        assert await nothing_is_kept(limner, ada)
        assert SECRET not in words_on(tmp_path)
    assert len(requests(slack, "chat.delete")) == len(messages)


def words_on(folder: Path) -> str:
    """All bytes of all files."""
    return "".join(path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file())


async def test_what_others_made_of_it_and_their_own_stays(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        first, own = await paint(slack, rows, ada, art), await paint(slack, rows, ben, art)
        await ben.click(first, "Vary")
        child = await shown_in(slack, art, 3)
        await settled(slack, rows, ["delivered"] * 3)
        await forget(slack, ada, art)
        await gone(slack, first, files=2)

        assert art.messages == [own, child]
        assert "Recipe" in await answered(art, ben, ben.click(child, "Recipe"))


async def test_what_waits_and_what_is_painted_goes_too_and_others_go_on(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2)
    async with bot(executor) as limner:
        for person in (ada, ada, ben):
            before = len(art.messages)
            await person.command(art, "/generate", "a cat")
            await slack.until(lambda: len(art.messages) > before)  # noqa: B023
        running, waiting, theirs = art.messages
        await forget(slack, ada, art)
        await gone(slack, running, waiting)
        executor.release()
        assert await shown_in(slack, art) is theirs

        assert await nothing_is_kept(limner, ada)


@pytest.mark.parametrize("method", ["chat.delete", "files.delete"])
async def test_what_slack_does_not_take_down_at_once_is_taken_down_later(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, method: str
) -> None:
    async with bot():
        messages = [await paint(slack, rows, ada, art) for _ in range(2)]
        slack.fail(method, status=500, times=3)
        await forget(slack, ada, art)
        await gone(slack, *messages)


@pytest.mark.slow
async def test_too_many_takedowns_at_once_are_made_later(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
        slack.limit("chat.delete", retry_after=0)
        slack.limit("files.delete", retry_after=0)
        await forget(slack, ada, art)
        await gone(slack, message)


async def test_messages_and_places_that_are_gone_are_no_obstacle(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    attic = slack.channel("attic", private=True)
    async with bot() as limner:
        removed, last = await paint(slack, rows, ada, art), await paint(slack, rows, ada, attic)
        stays = await paint(slack, rows, ada, art)
        removed.remove()
        attic.members.discard(slack.bot)
        await forget(slack, ada, art)
        await gone(slack, stays)

        assert not last.deleted
        assert await nothing_is_kept(limner, ada)


async def test_a_yes_that_is_pressed_twice_is_answered_once(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
        question = await asked_whether(art, ada, ada.command(art, "/limner", "forget"))
        await asyncio.gather(*(ada.click(question, "Erase all of it") for _ in range(2)))
        await gone(slack, message)
        await slack.until(lambda: question.labels == [])

    assert question.shown == ENGLISH.say("forgotten", images=1, jobs=1)


async def test_there_may_be_nothing_to_forget(slack: FakeSlack, art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot():
        text = await answered(art, ada, ada.command(art, "/limner", "forget"))
        assert text == ENGLISH.say("confirm.forget.nothing")


# Mydata


async def test_mydata_comes_in_direct_messages_with_all_of_theirs_and_nothing_else(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    talk = slack.dm(ada)
    async with bot():
        await paint(slack, rows, ada, art, "a cat --images 2")
        await paint(slack, rows, ben, art, "a bee")
        assert await answered(art, ada, ada.command(art, "/limner", "mydata")) == ENGLISH.say("mydata.sent")
        (message,) = talk.messages

    content = message.files[0].data
    assert content is not None
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        told = archive.read("limner.json").decode()
        assert len(archive.namelist()) == 3
    assert [job["request"]["prompt"] for job in json.loads(told)["jobs"]] == ["a cat"]
    for secret in ("a bee", ben.id, "/response/", slack.bot_token, "xoxb"):
        assert secret not in told
    assert ENGLISH.say("mydata", images=2, jobs=1) in message.text


@pytest.mark.parametrize(
    ("method", "fault", "part"),
    [
        ("conversations.open", {"error": "user_disabled"}, ENGLISH.say("no_direct_messages.mydata")),
        ("files.getUploadURLExternal", {"error": "storage_limit_reached"}, "does not take the file"),
        ("files.getUploadURLExternal", {"status": 500}, ENGLISH.say("mydata.not_now")),
    ],
)
async def test_a_mydata_that_does_not_arrive_is_told(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, method: str, fault: dict[str, Any], part: str
) -> None:
    async with bot():
        slack.fail(method, times=None, **fault)
        assert part in await answered(art, ada, ada.command(art, "/limner", "mydata"))


# Purge


async def test_a_purge_takes_all_messages_of_this_workspace_down(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    other, executor = slack.workspace("Another"), FakeExecutor()
    hall, eve = slack.channel("hall", team=other), slack.person("Eve", team=other)
    async with bot(executor):
        here = [
            await paint(slack, rows, ada, art, "a cat --images 2"),
            await paint(slack, rows, ben, art),
            await failed(slack, rows, executor, ada, art),
        ]
        there = await paint(slack, rows, eve, hall)
        assert await purge(slack, mo, art) == ENGLISH.say("purged", images=3, jobs=3)
        await gone(slack, *here, files=1)

    assert not there.deleted


async def test_a_purge_leaves_what_is_not_painted_yet(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    executor = FakeExecutor()
    async with bot(executor):
        done = await paint(slack, rows, ada, art)
        executor.hold()
        await ada.command(art, "/generate", "a dog")
        await slack.until(lambda: len(art.messages) == 2)
        assert await purge(slack, mo, art) == ENGLISH.say("purged", images=1, jobs=1)
        await gone(slack, done)
        executor.release()
        await shown_in(slack, art)


async def test_a_purge_by_person_and_age_leaves_what_is_younger_or_of_others(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        old, others = await paint(slack, rows, ada, art), await paint(slack, rows, ben, art)
        slack.clock.advance(3 * 24 * 3600)
        young = await paint(slack, rows, ada, art)
        question = await asked_whether(art, mo, mo.command(art, "/limner", f"purge {ada.tag} --days 2"))
        assert "those of Ada that are older than 2 days" in question.shown
        await confirmed(slack, mo, question)
        await gone(slack, old, files=2)

    assert not young.deleted
    assert not others.deleted


async def test_of_a_set_that_is_partly_old_enough_the_rest_stays(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows, tmp_path: Path
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art, "a cat --images 2")
    # A set takes seconds to paint; nobody hits upon them in a test.
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection, connection:
        earlier = "UPDATE images SET created_at = created_at - 864000 WHERE id = ?"
        connection.execute(earlier, [message.value("limner:delete:1")])
    async with bot():
        assert await purge(slack, mo, art, "--days 5") == ENGLISH.say("purged", images=1, jobs=0)
        await slack.until(lambda: len(message.pictures) == 1 and kept(slack) == 1)

    assert "Refine 2" in message.labels
    assert "Refine 1" not in message.labels


async def test_whoever_lost_the_right_to_purge_before_saying_yes_purges_nothing(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
        question = await asked_whether(art, mo, mo.command(art, "/limner", "purge"))
    mo.admin = False
    async with bot():
        assert await confirmed(slack, mo, question) == ENGLISH.say("admins_only")

    assert not message.deleted


async def test_an_image_of_who_is_gone_stays_deleted(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
        named = image_of(message)
        await purge(slack, mo, art)
        text = await answered(art, ada, ada.command(art, "/refine", f"{named} warmer"))

    assert text == ENGLISH.say("refusal.not_found.image")


async def test_a_file_that_becomes_one_while_its_requester_is_forgotten_goes_too(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        slack.delay("files.completeUploadExternal", 1, taken=False)
        await ada.command(art, "/generate", SECRET)
        await slack.until(lambda: requests(slack, "files.completeUploadExternal"))
        await forget(slack, ada, art)
        assert not slack.files[0].completed
        await slack.until(lambda: slack.files[0].completed)
        await gone(slack, *art.messages)
    assert rows.states() == []
