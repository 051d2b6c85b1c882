"""The home tab: what one person waits for, their last images, and help; and what can be pressed there."""

import pytest
import structlog

from adapters.slack.words import words_for
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.watching import (
    LACONIC,
    Rows,
    asker,
    finished,
    image_of,
    paint,
    refinement,
    requests,
    settled,
    shown_in,
)
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeSlack, Person, View
from tests.fakes.slack.blocks import pictures

ENGLISH = words_for("en")


async def opened(slack: FakeSlack, person: Person, part: str = "*Paint*") -> View:
    """As it is published anew."""
    before = len(requests(slack, "views.publish"))
    await person.opens_home()
    await slack.until(lambda: len(requests(slack, "views.publish")) > before)
    home = slack.home(person)
    assert home is not None
    assert part in home.shown
    return home


def quotes(home: View) -> list[str]:
    """What the pictures show, in their order."""
    return [block["alt_text"] for block in pictures(home.blocks)]


async def test_a_stranger_reads_how_to_begin(slack: FakeSlack, ada: Person, bot: StartBot) -> None:
    async with bot():
        home = await opened(slack, ada)

    assert ENGLISH.say("home.waiting.none") in home.shown
    assert ENGLISH.say("home.images.none") in home.shown
    assert "*For admins*" not in home.shown
    assert pictures(home.blocks) == []


async def test_an_admin_reads_what_admins_can_do(slack: FakeSlack, bot: StartBot) -> None:
    async with bot():
        assert "*For admins*" in (await opened(slack, slack.owner)).shown


async def test_ones_last_images_are_there_wherever_they_were_made_and_nobody_elses(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        await paint(slack, rows, ada, art, "a cat")
        await ada.command(art, "/generate", "a secret dog --private")
        await settled(slack, rows, ["delivered"] * 2)
        await paint(slack, rows, ada, slack.channel("attic", private=True), "a cow")
        await paint(slack, rows, ben, art, "an owl")
        hers, his = await opened(slack, ada), await opened(slack, ben)
        shown = [one.partition(" (")[0] for one in quotes(hers)]
        assert shown == ["a cow", "a secret dog", "a cat"]
        assert [one.partition(" (")[0] for one in quotes(his)] == ["an owl"]

        (newest,) = await limner.service.own_images(asker(ada), 1)
        await limner.service.delete(newest.id, asker(ada))
        shown = [one.partition(" (")[0] for one in quotes(await opened(slack, ada))]
        assert shown == ["a secret dog", "a cat"]


async def test_no_more_than_the_last_ten_images_are_there(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        for number in range(3):
            await paint(slack, rows, ada, art, f"{'cat ' * 400}{number} --images 4 --steps 1")
        home = await opened(slack, ada)

    assert len(quotes(home)) == 10


async def test_where_one_waits_is_told_and_to_others_not(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    executor = FakeExecutor()
    executor.hold()
    async with bot(executor, tempo=LACONIC):
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: executor.works)
        await ben.command(art, "/generate", "a *dog* <!channel>")
        await slack.until(lambda: len(art.messages) == 2)
        hers, his = await opened(slack, ada), await opened(slack, ben)

    assert "a cat" in hers.shown
    assert "dog" not in hers.shown
    assert "a *dog* <!channel>" in his.shown
    assert "Next in line" in his.shown
    assert "cat in a hat" in his.shown, "only the example is about cats"
    assert "Nothing of yours waits" not in his.shown


async def test_what_waits_beyond_ten_is_counted(slack: FakeSlack, art: Channel, ada: Person, bot: StartBot) -> None:
    executor = FakeExecutor()
    executor.hold()
    async with bot(executor, tempo=LACONIC):
        for number in range(13):
            await ada.command(art, "/generate", f"cat number {number}")
        await slack.until(lambda: len(art.messages) == 13, 20)
        home = await opened(slack, ada)

    assert len([one for one in range(13) if f"cat number {one}" in home.shown]) == 10
    assert "and 3 more" in home.shown


@pytest.mark.parametrize("refused", ["", "invalid_arguments"])
async def test_images_whose_files_are_gone_are_told_by_their_words(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, refused: str
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art, "a cat & a dog")
        await paint(slack, rows, ada, art, "a cow")
        if refused:
            slack.fail("views.publish", error=refused)
        else:
            message.files[0].deleted = True
        await ada.opens_home()
        await slack.until(lambda: slack.home(ada))
        home = slack.home(ada)

    assert home is not None
    assert pictures(home.blocks) == []
    assert "a cat & a dog (painted by a machine)" in home.shown
    assert "a cow (painted by a machine)" in home.shown


@pytest.mark.parametrize("error", ["internal_error", "not_enabled", None])
async def test_a_tab_that_cannot_be_shown_is_shown_the_next_time(
    slack: FakeSlack, ada: Person, bot: StartBot, error: str | None
) -> None:
    async with bot():
        slack.fail("views.publish", error=error)
        with structlog.testing.capture_logs() as logs:
            asked = await ada.opens_home()
            await slack.until(lambda: any("home tab could not" in log["event"] for log in logs))
        assert asked.acknowledged
        assert slack.home(ada) is None
        await opened(slack, ada)


# What is pressed there


async def test_cancel_ends_what_waits_and_the_tab_shows_it(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    executor = FakeExecutor()
    executor.hold()
    async with bot(executor, tempo=LACONIC):
        await ada.command(art, "/generate", "a cow")
        await slack.until(lambda: executor.works and art.messages)
        home = await opened(slack, ada)
        await ada.click(home, "limner:cancel:1")
        await slack.until(lambda: ENGLISH.say("home.waiting.none") in home.shown)

        assert rows.statuses() == ["cancelled"]


@pytest.mark.parametrize("button", ["vary", "refine"])
async def test_what_is_asked_for_in_the_tab_comes_directly(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, button: str
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        home = await opened(slack, ada)
        pressed = await ada.click(home, f"limner:{button}:1")
        if button == "refine":
            await pressed.until(lambda one: one.view)
            await ada.submit(pressed, {"prompt": "a dog"})
        await shown_in(slack, slack.dm(ada))
        await settled(slack, rows, ["delivered"] * 2)

        assert refinement(limner).image_id == image_of(message)
    assert len(finished(art)) == 1
    places = {request.args.get("channel") for request in slack.requests if not request.method.startswith("views.")}
    assert ada.id not in places, "a person's ID is no channel for most of Slack's methods"


async def test_what_is_told_in_the_tab_comes_as_a_direct_message(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    talk = slack.dm(ada)
    async with bot():
        message = await paint(slack, rows, ada, art, "a cat --seed 7")
        home = await opened(slack, ada)
        await ada.click(home, "limner:recipe:1")
        await slack.until(lambda: len(talk.messages) == 1)
        assert "Seed: 7" in talk.messages[0].shown

        await ada.click(home, "limner:delete:1")
        await slack.until(lambda: len(talk.messages) == 2)
        assert "Delete this image for good?" in talk.messages[1].shown
        await ada.click(talk.messages[1], "Delete for good")
        await slack.until(lambda: message.deleted)

        assert quotes(await opened(slack, ada)) == []
    assert rows.read("SELECT id FROM images") == []


async def test_a_tab_that_is_out_of_date_says_so(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    talk = slack.dm(ada)
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        home = await opened(slack, ada)
        await limner.service.delete(image_of(message), asker(ada))
        for number, button in enumerate(("vary", "recipe", "delete", "refine"), start=1):
            await ada.click(home, f"limner:{button}:1")
            await slack.until(lambda number=number: len(talk.messages) == number)  # type: ignore[misc]
            assert ENGLISH.say("refusal.not_found.image") in talk.messages[-1].shown
