"""/status and /limner: what admins set and what it does to others, and what everybody may know and take along."""

import io
import json
import random
import zipfile
from typing import Any

import pytest
import structlog
from PIL import Image

import bot as limner_itself
from bot.ports import WorkerState, WorkerStatus
from storage.rules import RulesOfSpaces
from tests.adapters.discord import kept
from tests.adapters.discord.conftest import StartBot
from tests.adapters.discord.watching import at_rest, confirmed, image_ids, paint, painted, told
from tests.fakes.discord import Asked, Channel, FakeDiscord, Guild, Person, Upload
from tests.fakes.executor import FakeExecutor

ADMINS_ONLY = "This is only for people who have the permission Manage Server, on their server."


@pytest.fixture
def studio(discord: FakeDiscord) -> Guild:
    return discord.guild("Studio")


@pytest.fixture
def art(studio: Guild) -> Channel:
    return studio.channel("art")


@pytest.fixture
def ada(discord: FakeDiscord, studio: Guild) -> Person:
    """An admin."""
    ada = discord.person("Ada")
    studio.join(ada, manage_guild=True)
    return ada


@pytest.fixture
def ben(discord: FakeDiscord, studio: Guild) -> Person:
    """A member."""
    ben = discord.person("Ben")
    studio.join(ben)
    return ben


@pytest.fixture
def hall(discord: FakeDiscord) -> Channel:
    """Of another server."""
    return discord.guild("Another").channel("hall")


async def ask(person: Person, channel: Channel, name: str, /, **options: Any) -> str:
    """What a command is answered with."""
    return await told(await person.command(channel, name, force=True, **options))


async def refusal(person: Person, channel: Channel, **options: Any) -> str:
    return await ask(person, channel, "generate", **{"prompt": "a cow", **options})


async def begin(person: Person, channel: Channel, executor: FakeExecutor, **options: Any) -> Asked:
    """Something that is held in the middle."""
    executor.hold()
    before = len(executor.works)
    asked = await person.command(channel, "generate", prompt="a cat", **options)
    await channel.fake.until(lambda: len(executor.works) > before)
    return asked


# /status


async def test_status_is_for_admins(bot: StartBot, art: Channel, ben: Person) -> None:
    async with bot():
        with pytest.raises(AssertionError, match="it is for those with the permissions"):
            await ben.command(art, "status")

        assert await ask(ben, art, "status") == ADMINS_ONLY


async def test_status_is_for_servers_where_the_bot_is(bot: StartBot, discord: FakeDiscord, ada: Person) -> None:
    async with bot():
        with pytest.raises(AssertionError, match="its contexts are"):
            await ada.command(discord.dm(ada), "status")
        with pytest.raises(AssertionError, match="the bot is not there"):
            await discord.owner.command(discord.foreign_guild("Elsewhere").channel("hall"), "status")

        assert await ask(ada, discord.dm(ada), "status") == ADMINS_ONLY


async def test_status_tells_what_runs_what_waits_and_what_was_done(
    bot: StartBot, art: Channel, ada: Person, ben: Person
) -> None:
    executor = FakeExecutor()
    async with bot(executor) as limner:
        await paint(limner, ada, art)
        await begin(ben, art, executor, steps=4)
        await ben.command(art, "generate", prompt="a dog")
        await art.fake.until(lambda: len(art.messages) == 3)
        lines = (await ask(ada, art, "status")).splitlines()

    assert lines[0] == f"**Limner {limner_itself.__version__}** is ready."
    assert lines[1] == "Waiting: 1 · being painted: 1"
    assert lines[3].startswith("- 1 picture request done; half within ")
    assert lines[5].startswith(f"- for {ben.mention} · ")
    assert lines[7] == "- `fake` busy"
    assert "discord.py 2.7" in lines[8]
    assert "torch 2." in lines[8]


async def test_status_names_nobody_from_elsewhere_and_nobody_who_paints_in_private(
    bot: StartBot, art: Channel, hall: Channel, ada: Person, ben: Person
) -> None:
    eve = art.fake.person("Eve")
    executor = FakeExecutor(slots=3)
    async with bot(executor):
        await begin(eve, hall, executor)
        await begin(ben, art, executor, private=True)
        await begin(ada, art, executor)
        text = await ask(ada, art, "status")

    assert "- elsewhere · " in text
    assert "- for somebody here, privately · " in text
    assert f"- for {ada.mention} · " in text
    assert eve.mention not in text
    assert ben.mention not in text


async def test_status_tells_how_each_worker_is(
    bot: StartBot, art: Channel, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = [
        WorkerStatus(
            name="gpu0",
            state=WorkerState.READY,
            model="xl",
            refiner="xl-r",
            device="NVIDIA H100",
            dtype="float16",
            memory_used=12_300_000_000,
            memory_total=80_000_000_000,
            restarts=2,
            plan="4 at once",
        ),
        WorkerStatus(name="gpu1", state=WorkerState.FAILED, detail="CUDA driver *too old*"),
    ]
    async with bot() as limner:
        monkeypatch.setattr(limner.executor, "status", lambda: workers)
        text = await ask(ada, art, "status")

    memory, unchecked = "12.3 of 80.0 GB in use", "images are unchecked"
    assert text.splitlines()[-5:-1] == [
        f"- `gpu0` ready · model `xl` · refiner `xl-r` · NVIDIA H100 float16 · {memory} · 2 restarts · {unchecked}",
        "-# 4 at once",
        "- `gpu1` failed, is tried again",
        "-# CUDA driver \\*too old\\*",
    ]


# Help and about


async def test_help_is_there_for_everybody_everywhere(
    bot: StartBot, discord: FakeDiscord, art: Channel, ben: Person
) -> None:
    places = [art, discord.dm(ben), discord.group_dm(ben, discord.person("Eve"))]
    async with bot():
        texts = [await ask(ben, place, "limner help") for place in places]

    assert len(set(texts)) == 1
    for way in ("Refine**", "Apps > Refine image", "Reply", "`/refine`", "/limner forget"):
        assert way in texts[0]
    assert art.messages == []


async def test_help_is_there_in_german(bot: StartBot, discord: FakeDiscord, art: Channel) -> None:
    async with bot():
        text = await ask(discord.person("Gerd", "de"), art, "limner help")

    assert "Apps > Bild verfeinern" in text


async def test_about_names_version_and_models(
    bot: StartBot, art: Channel, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bot() as limner:
        assert "Model: not loaded yet" in await ask(ben, art, "limner about")

        workers = [
            WorkerStatus(name=name, state=WorkerState.READY, model=model)
            for name, model in (("gpu0", "sdxl"), ("gpu1", "sdxl"), ("gpu2", "other"))
        ]
        monkeypatch.setattr(limner.executor, "status", lambda: workers)
        text = await ask(ben, art, "limner about")

    assert f"**Limner {limner_itself.__version__}**" in text
    assert "Model: `sdxl`, `other`" in text
    assert "machine" in text


# What is kept of somebody


def noise(seed: int) -> Upload:
    """12 kB that cannot be packed."""
    file = io.BytesIO()
    Image.frombytes("RGB", (64, 64), random.Random(seed).randbytes(64 * 64 * 3)).save(file, "PNG")
    return Upload("noise.png", "image/png", file.getvalue())


async def exported(asked: Asked) -> zipfile.ZipFile:
    await told(asked)
    assert asked.original
    (file,) = asked.original.attachments
    assert file.filename == "limner-mydata.zip"
    return zipfile.ZipFile(io.BytesIO(file.data))


async def test_mydata_has_all_of_ones_own_and_nothing_of_others(
    bot: StartBot, art: Channel, hall: Channel, ada: Person, ben: Person
) -> None:
    async with bot() as limner:
        here = await paint(limner, ben, art, "a cat", images=2)
        there = await paint(limner, ben, hall, "a dog", private=True)
        await paint(limner, ada, art, "a cow")
        asked = await ben.command(art, "limner mydata")
        archive = await exported(asked)

    own = {*image_ids(here), *image_ids(there)}
    listed = json.loads(archive.read("limner.json"))
    assert asked.text == "This is all that is kept of you: 3 images and 2 jobs."
    assert {name for name in archive.namelist() if name != "limner.json"} == {f"images/{one}.png" for one in own}
    assert [job["request"]["prompt"] for job in listed["jobs"]] == ["a cat", "a dog"]
    assert {image["id"] for image in listed["images"]} == own
    assert "a cow" not in archive.read("limner.json").decode()
    first = archive.read(f"images/{image_ids(here)[0]}.png")
    assert first == here.attachments[0].data


async def test_mydata_of_who_asked_for_nothing_is_empty(bot: StartBot, art: Channel, ben: Person) -> None:
    async with bot():
        archive = await exported(await ben.command(art, "limner mydata"))

    assert archive.namelist() == ["limner.json"]


async def test_mydata_fits_into_a_message_and_says_what_does_not(
    bot: StartBot, studio: Guild, art: Channel, ben: Person
) -> None:
    async with bot() as limner:
        for number in range(2):
            asked = await ben.command(art, "refine", prompt="a cat", picture=noise(number))
            message = await painted(limner, asked)
        studio.size_limit = 2**14 + 16_000
        asked = await ben.command(art, "limner mydata")
        archive = await exported(asked)

    assert asked.original
    assert len(asked.original.attachments[0].data) <= studio.size_limit
    assert "Not all picture files fit" in asked.text
    assert f"images/{image_ids(message)[0]}.png" in archive.namelist(), "the newest"
    assert len(archive.namelist()) < 5
    assert len(json.loads(archive.read("limner.json"))["images"]) == 4


async def test_a_file_that_discord_does_not_take_is_told(bot: StartBot, art: Channel, ben: Person) -> None:
    async with bot():
        art.fake.fail("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", status=413, code=40005)

        with structlog.testing.capture_logs():
            assert "went wrong" in await ask(ben, art, "limner mydata")


async def test_forget_asks_first_and_then_erases_all(
    bot: StartBot, art: Channel, hall: Channel, ada: Person, ben: Person
) -> None:
    async with bot() as limner:
        await paint(limner, ben, art)
        await paint(limner, ben, hall, images=2)
        cow = await paint(limner, ada, art, "a cow")
        asked = await ben.command(art, "limner forget")
        question = await told(asked)
        assert asked.original
        assert "3 images" in question
        assert "2 jobs" in question
        assert await kept.jobs(limner, ben) == 2

        assert await confirmed(ben, asked.original) == "Erased: 3 images and 2 jobs, with files, prompts and messages."
        await art.fake.until(lambda: art.messages == [cow] and hall.messages == [])
        assert await kept.nothing(limner, ben)
        assert await kept.images(limner, ada) == 1
        assert await ask(ben, art, "limner forget") == "Nothing is kept of you."


async def test_whoever_keeps_it_loses_nothing(bot: StartBot, art: Channel, ben: Person) -> None:
    async with bot() as limner:
        await paint(limner, ben, art)
        asked = await ben.command(art, "limner forget")
        await told(asked)
        assert asked.original
        await ben.click(asked.original, "Keep it")
        await asked.until(lambda asked: asked.text == "Nothing was erased.")

        assert asked.original.labels == []
        assert await kept.images(limner, ben) == 1


# What admins set

SETTINGS: dict[str, dict[str, Any]] = {
    "limner pause": {},
    "limner resume": {},
    "limner block": {"person": None},
    "limner unblock": {"person": None},
    "limner limits": {},
    "limner limits ": {"images": 1},
    "limner channels": {"action": "allow"},
    "limner channels ": {"action": "forbid"},
    "limner channels  ": {"action": "list"},
    "limner channels   ": {"action": "everywhere"},
    "limner purge": {},
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("where", ["here", "in direct messages"])
async def test_who_is_no_admin_is_refused_kindly_and_changes_nothing(
    bot: StartBot, discord: FakeDiscord, art: Channel, ada: Person, ben: Person, name: str, where: str
) -> None:
    options = {option: ada if option == "person" else value for option, value in SETTINGS[name].items()}
    person, place = (ben, art) if where == "here" else (ada, discord.dm(ada))
    async with bot() as limner:
        assert await ask(person, place, name.strip(), **options) == ADMINS_ONLY

        await paint(limner, ada, art, images=2)
        await paint(limner, ada, discord.dm(ada), images=2)


async def test_who_is_no_admin_is_refused_in_their_language(bot: StartBot, discord: FakeDiscord, art: Channel) -> None:
    async with bot():
        text = await ask(discord.person("Gerd", "de"), art, "limner pause")

    assert text == "Das ist nur für Leute mit der Berechtigung „Server verwalten“, auf ihrem Server."


async def test_pause_stops_what_is_new_on_this_server_alone(
    bot: StartBot, art: Channel, hall: Channel, ada: Person, ben: Person
) -> None:
    executor = FakeExecutor()
    async with bot(executor) as limner:
        before = await begin(ben, art, executor)
        assert (await ask(ada, art, "limner pause")).startswith("Paused.")
        assert (await refusal(ben, art)).startswith("The admins have paused painting on this server.")
        assert (await refusal(ada, art)).startswith("The admins have paused painting on this server.")
        executor.release()
        cat = await painted(limner, before)
        await paint(limner, ben, hall)

        assert await ask(ada, art, "limner resume") == "Painting goes on: new requests are taken again."
        assert len(art.messages) == 1
        await painted(limner, await ben.command(art, "refine", prompt="in the snow", image=image_ids(cat)[0]))


async def test_a_pause_outlives_a_restart(bot: StartBot, art: Channel, ada: Person, ben: Person) -> None:
    async with bot():
        await ask(ada, art, "limner pause")
    async with bot():
        assert "paused" in await refusal(ben, art)


async def test_whoever_is_blocked_here_still_paints_elsewhere(
    bot: StartBot, art: Channel, hall: Channel, ada: Person, ben: Person
) -> None:
    async with bot() as limner:
        blocked = await ask(ada, art, "limner block", person=ben)
        assert blocked == f"Nothing is taken from {ben.mention} on this server any more."
        assert await ask(ada, art, "limner block", person=ben) == f"{ben.mention} was blocked already."
        assert (await refusal(ben, art)).startswith("The admins of this server take no requests from you.")
        picture = Upload("mine.png", "image/png", noise(1).data)
        asked = await ben.command(art, "refine", prompt="a cat", picture=picture)
        assert (await told(asked)).startswith("The admins of this server take no requests from you.")
        assert await kept.nothing(limner, ben)
        await paint(limner, ada, art)
        await paint(limner, ben, hall)

        unblocked = await ask(ada, art, "limner unblock", person=ben)
        assert unblocked == f"Requests from {ben.mention} are taken again."
        assert await ask(ada, art, "limner unblock", person=ben) == f"{ben.mention} is not blocked."
        await paint(limner, ben, art)


async def test_limits_are_shown_set_and_lifted_one_by_one(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot():
        shown = [
            await ask(ada, art, "limner limits", **options)
            for options in ({}, {"jobs": 2}, {"images": 1, "steps": 40}, {}, {"jobs": 0}, {"images": 0, "steps": 0})
        ]

    assert [[line.rpartition(": ")[2] for line in text.splitlines()[1:]] for text in shown] == [
        ["no limit", "no limit", "no limit"],
        ["2", "no limit", "no limit"],
        ["2", "1", "40"],
        ["2", "1", "40"],
        ["no limit", "1", "40"],
        ["no limit", "no limit", "no limit"],
    ]


async def test_limits_hold_for_everybody_on_this_server_alone(
    bot: StartBot, art: Channel, hall: Channel, ada: Person, ben: Person
) -> None:
    executor = FakeExecutor()
    async with bot(executor) as limner:
        await ask(ada, art, "limner limits", jobs=1, images=2, steps=40)
        for person in (ada, ben):
            assert await refusal(person, art, images=3) == (
                "The admins of this server allow up to 2 pictures per request."
            )
            assert await refusal(person, art, steps=41) == (
                "The admins of this server allow up to 40 steps per request. Ask for fewer with `steps`."
            )
        await begin(ben, art, executor, images=2, steps=40)
        assert (await refusal(ben, art)).startswith("You have 1 unfinished request already,")
        await ben.command(hall, "generate", prompt="a cat", images=3, steps=41)
        await art.fake.until(lambda: hall.messages)

        assert await kept.jobs(limner, ben) == 2
        executor.release()
        await at_rest(limner)
        await paint(limner, ben, art)


async def test_painting_is_allowed_in_some_channels_and_their_threads(
    bot: StartBot, studio: Guild, art: Channel, hall: Channel, ada: Person, ben: Person
) -> None:
    lounge = studio.channel("lounge")
    async with bot() as limner:
        allowed = await ask(ada, art, "limner channels", action="allow")
        assert allowed == f"Painting is allowed in {art.mention}, and nowhere else on this server."
        for person in (ada, ben):
            assert await refusal(person, lounge) == f"Painting is not allowed in this channel, only in: {art.mention}"
        assert "not allowed in this channel" in await refusal(ben, lounge.thread("cats"))
        await paint(limner, ben, art)
        await paint(limner, ben, art.thread("cats"))
        await paint(limner, ben, hall)

        both = await ask(ada, art, "limner channels", action="allow", channel=lounge)
        assert both == f"Painting is allowed in {art.mention}, {lounge.mention}, and nowhere else on this server."
        await paint(limner, ben, lounge)


async def test_channels_are_taken_off_the_list_but_for_the_last_one(
    bot: StartBot, studio: Guild, art: Channel, ada: Person, ben: Person
) -> None:
    lounge = studio.channel("lounge")
    only_art = f"Painting is allowed in {art.mention}, and nowhere else on this server."
    async with bot() as limner:
        everywhere = await ask(ada, art, "limner channels", action="list")
        assert everywhere == "Painting is allowed in all channels of this server that I can see."
        not_there = await ask(ada, art, "limner channels", action="forbid")
        assert not_there == f"{art.mention} is not on the list. {everywhere}"

        await ask(ada, art, "limner channels", action="allow")
        await ask(ada, art.thread("cats"), "limner channels", action="allow", channel=lounge)
        assert await ask(ada, art, "limner channels", action="forbid", channel=lounge) == only_art
        last = await ask(ada, art, "limner channels", action="forbid")
        assert last.startswith(f"{art.mention} is the last one on the list.")
        assert await ask(ada, art, "limner channels", action="list") == only_art

        assert await ask(ada, art, "limner channels", action="everywhere") == everywhere
        await paint(limner, ben, lounge)


# Purge


async def purge(person: Person, channel: Channel, /, **options: Any) -> tuple[str, str]:
    """The question, and what is told after a yes."""
    asked = await person.command(channel, "limner purge", **options)
    question = await told(asked)
    assert asked.original
    return question, await confirmed(person, asked.original)


async def test_purge_asks_and_then_erases_all_of_this_server_alone(
    bot: StartBot, art: Channel, hall: Channel, ada: Person, ben: Person
) -> None:
    async with bot() as limner:
        await paint(limner, ben, art, images=2)
        await paint(limner, ada, art, private=True)
        cat = await paint(limner, ben, hall)
        question, answer = await purge(ada, art)
        await art.fake.until(lambda: art.messages == [])

        assert question == (
            "This erases images and prompts of this server for good: all of them. "
            "What is not finished yet is left alone. Nobody can bring back what is erased."
        )
        assert answer == "Erased: 3 images and 2 jobs."
        assert await kept.images(limner, ben) == 1
        assert hall.messages == [cat]


async def test_purge_of_a_person_leaves_the_others_alone(bot: StartBot, art: Channel, ada: Person, ben: Person) -> None:
    async with bot() as limner:
        await paint(limner, ben, art)
        cow = await paint(limner, ada, art)
        question, answer = await purge(ada, art, person=ben)
        await art.fake.until(lambda: art.messages == [cow])

        assert f"for good: those of {ben.mention}. " in question
        assert answer == "Erased: 1 image and 1 job."


async def test_purge_by_age_leaves_what_is_younger_alone(bot: StartBot, art: Channel, ada: Person, ben: Person) -> None:
    async with bot() as limner:
        await paint(limner, ben, art)
        art.fake.clock.advance(3 * 86_400)
        cow = await paint(limner, ada, art)
        asked = await ada.command(art, "limner purge", older_than_days=4)
        assert "older than 4 days" in await told(asked)
        assert asked.original
        assert await confirmed(ada, asked.original) == "Erased: 0 images and 0 jobs."
        question, answer = await purge(ada, art, older_than_days=2, person=ben)
        await art.fake.until(lambda: art.messages == [cow])

        assert f"those of {ben.mention} that are older than 2 days" in question
        assert answer == "Erased: 1 image and 1 job."


@pytest.mark.parametrize("days", [-1, 36_501, 2**70])
async def test_purge_by_an_age_that_is_none_is_told(bot: StartBot, art: Channel, ada: Person, days: int) -> None:
    async with bot():
        text = await ask(ada, art, "limner purge", older_than_days=days)

    assert text == "`older_than_days` goes from 0 to 36500."


async def test_whoever_keeps_it_purges_nothing(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot() as limner:
        await paint(limner, ada, art)
        asked = await ada.command(art, "limner purge")
        await told(asked)
        assert asked.original
        await ada.click(asked.original, "Keep it")
        await asked.until(lambda asked: asked.text == "Nothing was erased.")

        assert await kept.images(limner, ada) == 1


# Mishaps


async def test_an_error_in_the_store_is_told_and_changes_nothing(
    bot: StartBot, art: Channel, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*args: Any) -> None:
        raise OSError("disk full at /secret")

    async with bot() as limner:
        with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
            patch.setattr(RulesOfSpaces, "change", broken)
            text = await ask(ada, art, "limner pause")

        assert [log["event"] for log in logs if log["log_level"] == "error"] == ["a request broke off"]
        assert "went wrong" in text
        assert "/secret" not in text
        await paint(limner, ada, art)
