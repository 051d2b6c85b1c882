"""After somebody is forgotten nothing of them is found: in the index, in files, in a new backup, in what was logged.

What others took over of their words is theirs.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.discord.words import words_for
from bot.errors import JobFailed
from storage.backup import back_up
from tests.adapters.discord.conftest import StartBot
from tests.adapters.discord.test_moderating import report
from tests.adapters.discord.test_treatments import boss, flagging, kept_back, office, reported, rule
from tests.adapters.discord.watching import at_rest, begun, buttons, confirmed, paint, painted, press, spoken, told
from tests.fakes.discord import Channel, FakeDiscord, Person, Upload
from tests.fakes.executor import png

__all__ = ["boss", "office"]

ENGLISH = words_for("en")
#: Each told by nothing else.
PROMPT, NEGATIVE, FILE, DIRECT, REFUSED = "zyxomma", "qwyjibo", "vorpalblade", "jubjubbird", "frumious"


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All files, and all that a backup of them holds."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()
    target = folder / "backup.tar"
    back_up(folder, target)
    with tarfile.open(target) as tar:
        for entry in tar:
            content = tar.extractfile(entry)
            yield entry.name, b"" if content is None else content.read()
    yield str(target), target.read_bytes()


def said(*channels: Channel) -> str:
    """By the bot, in what is still there."""
    messages = (message for channel in channels for message in channel.messages)
    return "\n".join(message.text for message in messages if message.author is message.channel.fake.bot)


async def test_nothing_of_whoever_is_forgotten_is_left(
    art: Channel,
    office: Channel,
    discord: FakeDiscord,
    ada: Person,
    ben: Person,
    boss: Person,
    bot: StartBot,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    executor = flagging()
    async with bot(executor) as limner:
        await rule(boss, art, "reports", channel=office)
        await rule(boss, art, "flagged", treatment="hold")
        await rule(boss, art, "words", action="add", text=REFUSED)
        await kept_back(limner, ada, art)
        await press(boss, await reported(office), "approve")
        executor.flag()
        shown = await paint(limner, ada, art, PROMPT, negative_prompt=NEGATIVE, images=2)
        await report(ada, await paint(limner, ben, art, "a dog"))
        await report(ben, shown)
        plain = await paint(limner, ada, art, PROMPT)
        picture = Upload(f"{FILE}.png", "image/png", png())
        await painted(limner, await ada.command(art, "refine", prompt=PROMPT, picture=picture))
        await paint(limner, ada, art, PROMPT, private=True)
        await spoken(limner, ada, discord.dm(ada), DIRECT)
        await told(await ada.command(art, "generate", prompt=REFUSED))
        executor.fail_next(JobFailed("painting_failed", "Boom"))
        failed = await begun(await ada.command(art, "generate", prompt=PROMPT))
        await discord.until(lambda: buttons(failed, "retry"), waiting=failed)
        child = await painted(limner, await ben.submit(await press(ben, plain, "refine"), {"prompt": "warmer"}))
        await at_rest(limner)

        asked = await ada.command(art, "limner forget")
        await told(asked)
        assert asked.original is not None
        await confirmed(ada, asked.original)
        await discord.until(lambda: ada.mention not in said(art, office, discord.dm(ada)), waiting=art)
        record = await rule(boss, art, "record")
    of_ada = [str(ada.id), PROMPT, NEGATIVE, FILE, DIRECT]
    logged = capfd.readouterr()

    kept = list(everything(tmp_path))
    for word in of_ada:
        assert [name for name, content in kept if word.encode() in content] == [], word
        assert word not in logged.out + logged.err
    assert not child.deleted
    assert ada.mention not in record
