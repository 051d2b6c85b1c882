"""Direct messages: words are painted, pictures are refined, and what cannot be used is told."""

import io

import pytest
from PIL import Image

from adapters.slack.words import words_for
from bot.pictures import BYTES_MAX
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.watching import (
    Rows,
    answered,
    asked_for,
    image_of,
    paint,
    picture,
    refinement,
    requests,
    settled,
    shown_in,
    told,
    unchanged,
)
from tests.fakes.executor import png
from tests.fakes.slack import Channel, FakeSlack, Person, Upload, payloads

ENGLISH = words_for("en")


@pytest.fixture
def talk(slack: FakeSlack, ada: Person) -> Channel:
    return slack.dm(ada)


async def test_words_in_a_direct_message_are_painted(
    slack: FakeSlack, talk: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await ada.say(talk, "a cat & a dog --seed 7")
        message = await shown_in(slack, talk)

        assert asked_for(limner).prompt == "a cat & a dog"
        assert asked_for(limner).seed == 7
    assert message.thread_ts is None
    assert talk.whispers == []


async def test_a_mention_in_a_direct_message_is_taken_once(
    slack: FakeSlack, talk: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        await ada.mention(talk, "a cat")
        await shown_in(slack, talk)
        await settled(slack, rows, ["delivered"])

        assert [work.request.prompt for work in limner.executor.works] == ["a cat"]


async def test_a_reply_in_the_thread_of_a_picture_refines_it_there(
    slack: FakeSlack, talk: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        await ada.say(talk, "a cat")
        first = await shown_in(slack, talk)
        await settled(slack, rows, ["delivered"])
        await ada.say(talk, "warmer", thread=first)
        second = await shown_in(slack, talk, 2)

        assert refinement(limner).image_id == image_of(first)
    assert second.thread_ts == first.ts


@pytest.mark.parametrize("text", ["warmer --strength 0.3", "warmer --image 1"])
async def test_what_came_here_privately_is_ones_last_image_here(
    slack: FakeSlack, art: Channel, talk: Channel, ada: Person, bot: StartBot, rows: Rows, text: str
) -> None:
    async with bot() as limner:
        await ada.say(talk, "a cat")
        await settled(slack, rows, ["delivered"])
        await ada.command(art, "/generate", "a secret dog --private")
        secret = await shown_in(slack, talk, 2)
        await settled(slack, rows, ["delivered"] * 2)
        await ada.say(talk, text)
        await settled(slack, rows, ["delivered"] * 3)
        assert refinement(limner).image_id == image_of(secret)

        await ada.command(talk, "/refine", "colder")
        await settled(slack, rows, ["delivered"] * 4)
        assert len(limner.executor.works) == 4


@pytest.mark.parametrize("text", ["help", "Hi!", "hello", "Hey", "?"])
async def test_a_greeting_is_answered_with_what_can_be_done(
    talk: Channel, ada: Person, bot: StartBot, rows: Rows, text: str
) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            assert "in our direct messages, words alone will do" in await answered(talk, ada, ada.say(talk, text))


async def test_a_greeting_with_more_words_is_painted(
    slack: FakeSlack, talk: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await ada.say(talk, "help is on its way, oil on canvas")
        await shown_in(slack, talk)

        assert asked_for(limner).prompt == "help is on its way, oil on canvas"


# Pictures


async def test_a_picture_in_a_direct_message_is_refined(
    slack: FakeSlack, talk: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await ada.say(talk, "more snow --strength 0.3", files=[picture()])
        result = await shown_in(slack, talk)

        assert (refinement(limner).prompt, refinement(limner).strength) == ("more snow", 0.3)
        assert result.pictures[0].file.pixels == (128, 64)


async def test_what_comes_with_a_picture_and_is_none_is_passed_over(
    slack: FakeSlack, talk: Channel, ada: Person, bot: StartBot
) -> None:
    note = Upload("note.txt", "text/plain", b"Look!")
    async with bot() as limner:
        await ada.say(talk, "more snow", files=[note, picture()])
        await shown_in(slack, talk)

        assert refinement(limner).prompt == "more snow"


def encoded(kind: str, size: tuple[int, int] = (128, 64)) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size).save(content, kind)
    return content.getvalue()


UNUSABLE: dict[str, tuple[str, list[Upload], str]] = {
    "no words": ("", [picture()], "Say in words what should become of the picture"),
    "only options": ("--strength 0.4", [picture()], "Say in words what should become of the picture"),
    "bad options": ("snow --size 64x64", [picture()], "`--size` is not for refining"),
    "an option misspelt": ("snow --strenth 0.4", [picture()], "Did you mean “--strength”?"),
    "several pictures": ("snow", [picture(), picture(), picture()], "These are 3 pictures, and I refine one at a time"),
    "no picture": ("snow", [Upload("a.pdf", "application/pdf", b"%PDF-1.7")], "There is no picture in this message"),
    "a text that is called a picture": ("snow", [Upload("a.png", "image/png", b"Hello")], "cannot read this as a"),
    "an empty file": ("snow", [Upload("a.png", "image/png", b"")], "cannot read this as a picture"),
    "another kind of picture": ("snow", [Upload("a.gif", "image/gif", encoded("GIF"))], "PNG, JPEG, WEBP will do"),
    "broken bytes": ("snow", [Upload("a.png", "image/png", png((512, 512))[:200])], "damaged or cut off"),
    "too many bytes": ("snow", [Upload("a.png", "image/png", b"\0" * (BYTES_MAX + 1))], "The picture is too large"),
    "too many pixels": ("snow", [Upload("a.png", "image/png", encoded("PNG", (8192, 8192)))], "too many pixels"),
}


@pytest.mark.parametrize("what", UNUSABLE)
async def test_what_cannot_be_used_is_told_and_nothing_is_kept(
    talk: Channel, ada: Person, bot: StartBot, rows: Rows, what: str
) -> None:
    text, files, said = UNUSABLE[what]
    async with bot() as limner:
        with unchanged(limner, rows):
            assert said in await answered(talk, ada, ada.say(talk, text, files=files))


async def test_more_bytes_than_slack_told_of_are_not_read_to_their_end(
    talk: Channel, ada: Person, bot: StartBot, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = payloads.file
    monkeypatch.setattr(payloads, "file", lambda file: tell(file) | {"size": 100})
    huge = Upload("a.png", "image/png", b"\0" * (BYTES_MAX + 1))
    async with bot() as limner:
        with unchanged(limner, rows):
            assert "too large" in await answered(talk, ada, ada.say(talk, "snow", files=[huge]))


async def test_a_picture_that_lies_elsewhere_is_not_fetched_with_the_bots_token(
    slack: FakeSlack, talk: Channel, ada: Person, bot: StartBot, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = payloads.file
    monkeypatch.setattr(payloads, "file", lambda file: tell(file) | {"is_external": True, "mode": "external"})
    async with bot() as limner:
        with unchanged(limner, rows):
            answer = await answered(talk, ada, ada.say(talk, "snow", files=[picture()]))

    assert answer == ENGLISH.say("picture.none")
    assert requests(slack, "download") == []


@pytest.mark.parametrize("status", [500, 503, 302, None])
async def test_a_picture_that_slack_does_not_give_out_is_told(
    slack: FakeSlack, talk: Channel, ada: Person, bot: StartBot, rows: Rows, status: int | None
) -> None:
    async with bot() as limner:
        slack.fail("download", status=status, times=None)
        with unchanged(limner, rows):
            answer = await answered(talk, ada, ada.say(talk, "more snow", files=[picture()]))

    assert answer in (ENGLISH.say("mistake.picture.not_now"), ENGLISH.say("mistake.picture.not_there"))


async def test_a_picture_is_not_kept_where_an_error_comes_in_between(
    slack: FakeSlack,
    talk: Channel,
    ada: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(*args: object) -> None:
        raise RuntimeError("the password is 1234")

    async with bot() as limner:
        monkeypatch.setattr("bot.service.Service._accept", broken)
        await ada.say(talk, "more snow", files=[picture()])
        text = await told(slack, talk, ada, "Something went wrong")

        assert limner.executor.works == []
    assert "1234" not in text
    assert rows.read("SELECT id FROM images") == []


# What is not for the bot


async def test_the_bots_own_messages_and_those_to_others_are_left_alone(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        await ada.say(slack.dm(ada, ben), "a cat")
        await paint(slack, rows, ada, slack.dm(ada), "a dog")
        await paint(slack, rows, ada, art, "a cow")

        assert len(limner.executor.works) == 2


@pytest.mark.parametrize(
    "fields",
    [{"bot_id": "B012AB3CD"}, {"subtype": "bot_message", "user": None}, {"subtype": "channel_join"}],
    ids=["a bot", "a workflow", "a notice"],
)
async def test_bots_workflows_and_notices_are_not_listened_to(
    slack: FakeSlack,
    talk: Channel,
    ada: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, object],
) -> None:
    tell = payloads.message
    async with bot() as limner:
        with monkeypatch.context() as strange:
            strange.setattr(payloads, "message", lambda message: tell(message) | fields)
            said = await ada.say(talk, "a cat")
            await said.until(lambda one: one.acknowledged)
        await paint(slack, rows, ada, talk, "a dog")

        assert [work.request.prompt for work in limner.executor.works] == ["a dog"]
    assert talk.whispers == []
