"""/limner, /limner-status, erasing, and the home tab."""

import io
import zipfile

import pytest

from tests.adapters.slack.conftest import StartBot
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeMessage, FakeSlack, Person


@pytest.fixture
def art(slack: FakeSlack) -> Channel:
    return slack.channel("art")


@pytest.fixture
def ada(slack: FakeSlack) -> Person:
    return slack.person("Ada")


@pytest.fixture
def mo(slack: FakeSlack) -> Person:
    return slack.person("Mo", admin=True)


async def ask(slack: FakeSlack, person: Person, art: Channel, command: str, text: str = "") -> FakeMessage:
    """The private answer."""
    before = len(art.whispers)
    await person.command(art, command, text)
    await slack.until(lambda: len(art.whispers) > before)
    return art.whispers[-1]


def kept(slack: FakeSlack) -> int:
    """Files that are on Slack."""
    return sum(not file.deleted for file in slack.files)


async def paint(slack: FakeSlack, person: Person, art: Channel, text: str = "a cat") -> FakeMessage:
    before = len(art.messages)
    await person.command(art, "/generate", text)
    await slack.until(lambda: len(art.messages) > before and "Delete" in str(art.messages[-1].labels))
    return art.messages[-1]


async def test_help_and_about_are_for_everyone(slack: FakeSlack, bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot():
        assert "/generate" in (await ask(slack, ada, art, "/limner")).shown
        assert "Limner" in (await ask(slack, ada, art, "/limner", "about")).shown
        assert "mydata" in (await ask(slack, ada, art, "/limner", "mydta")).shown


@pytest.mark.parametrize(
    "text", ["pause", "resume", "block @mo", "limits --jobs 1", "channels allow", "channels list", "purge"]
)
async def test_rules_are_for_admins(slack: FakeSlack, bot: StartBot, art: Channel, ada: Person, text: str) -> None:
    mo = slack.person("Mo", admin=True)
    async with bot():
        answer = await ask(slack, ada, art, "/limner", text.replace("@mo", mo.tag))
        assert "admins" in answer.shown
        await paint(slack, ada, art)


async def test_the_status_is_for_admins(slack: FakeSlack, bot: StartBot, art: Channel, ada: Person, mo: Person) -> None:
    executor = FakeExecutor()
    executor.hold()
    async with bot(executor):
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: executor.works)
        assert "admins" in (await ask(slack, ada, art, "/limner-status")).shown
        assert "for Ada" in (await ask(slack, mo, art, "/limner-status")).shown


async def test_what_admins_decide_holds_for_others(
    slack: FakeSlack, bot: StartBot, art: Channel, ada: Person, mo: Person
) -> None:
    async with bot():
        for decision, undone, word in (
            ("pause", "resume", "paused"),
            (f"block {ada.tag}", f"unblock {ada.tag}", "no requests from you"),
            ("limits --images 1", "limits --images 0", "1 picture"),
            (f"channels allow {slack.channel('attic').tag}", "channels everywhere", "only in"),
        ):
            await ask(slack, mo, art, "/limner", decision)
            assert word in (await ask(slack, ada, art, "/generate", "a cat --images 2")).shown
            await ask(slack, mo, art, "/limner", undone)
            await paint(slack, ada, art, "a cat --images 2")


async def test_mydata_comes_as_a_file_in_direct_messages(
    slack: FakeSlack, bot: StartBot, art: Channel, ada: Person
) -> None:
    async with bot():
        await paint(slack, ada, art)
        await ask(slack, ada, art, "/limner", "mydata")
        (message,) = slack.dm(ada).messages

    (file,) = message.files
    assert file.data is not None
    with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
        assert b"a cat" in archive.read("limner.json")
        assert len(archive.namelist()) == 2


async def test_delete_asks_first_and_takes_message_and_file(
    slack: FakeSlack, bot: StartBot, art: Channel, ada: Person
) -> None:
    async with bot():
        message = await paint(slack, ada, art)
        await ada.click(message, "limner:delete")
        await slack.until(lambda: art.whispers)
        assert art.messages == [message]
        await ada.click(art.whispers[-1], "limner:confirm_delete")
        await slack.until(lambda: message.deleted and kept(slack) == 0)


async def test_of_a_set_only_the_one_goes(slack: FakeSlack, bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot():
        message = await paint(slack, ada, art, "a cat --images 3")
        await ada.click(message, "limner:delete:2")
        await slack.until(lambda: art.whispers)
        await ada.click(art.whispers[-1], "limner:confirm_delete")
        await slack.until(lambda: len(message.pictures) == 2 and kept(slack) == 2)

    assert "Refine 3" in message.labels
    assert "Refine 2" not in message.labels


async def test_strangers_delete_nothing(slack: FakeSlack, bot: StartBot, art: Channel, ada: Person) -> None:
    ben = slack.person("Ben")
    async with bot():
        message = await paint(slack, ada, art)
        await ben.click(message, "limner:delete")
        await slack.until(lambda: art.whispers)

        assert "only with what is yours" in art.whispers[-1].shown
        assert not message.deleted


async def test_forget_erases_messages_and_files(slack: FakeSlack, bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot():
        message = await paint(slack, ada, art)
        question = await ask(slack, ada, art, "/limner", "forget")
        await ada.click(question, "limner:confirm_forget")
        await slack.until(lambda: message.deleted and kept(slack) == 0)
        assert "Nothing is kept" in (await ask(slack, ada, art, "/limner", "forget")).shown


async def test_purge_erases_what_one_person_made(
    slack: FakeSlack, bot: StartBot, art: Channel, ada: Person, mo: Person
) -> None:
    async with bot():
        message, other = await paint(slack, ada, art), await paint(slack, mo, art)
        question = await ask(slack, mo, art, "/limner", f"purge {ada.tag}")
        await mo.click(question, "limner:confirm_purge")
        await slack.until(lambda: message.deleted)
        assert not other.deleted


async def test_the_home_tab_shows_images_and_what_waits(
    slack: FakeSlack, bot: StartBot, art: Channel, ada: Person
) -> None:
    executor = FakeExecutor()
    async with bot(executor):
        await paint(slack, ada, art)
        executor.hold()
        await ada.command(art, "/generate", "a dog")
        await slack.until(lambda: len(executor.works) == 2)
        await ada.opens_home()
        await slack.until(lambda: slack.home(ada))

    view = slack.home(ada)
    assert view is not None
    assert "a dog" in str(view)
    assert "slack_file" in str(view.blocks)
