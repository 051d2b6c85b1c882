"""Who may refine whose image, by whichever door they come. What somebody may not see is, for them, not there."""

from collections.abc import Awaitable, Callable

import pytest

from adapters.slack.words import words_for
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.test_buttons import planted
from tests.adapters.slack.watching import (
    Rows,
    answered,
    image_of,
    link_to,
    paint,
    refinement,
    settled,
    shown_in,
    told,
    told_as,
    unchanged,
)
from tests.fakes.slack import Asked, Channel, FakeMessage, FakeSlack, Person, payloads

UNKNOWN = words_for("en").say("refusal.not_found.image")
NO_JOB = words_for("en").say("refusal.not_found.job")
SOME_ID = "9e107d9d-372b-4b7a-9f0f-6d5c0e1f2a3b"

Ask = Callable[[Person, Channel, FakeMessage], Awaitable[Asked]]


def typed(command: str, text: str) -> Ask:
    def ask(person: Person, channel: Channel, message: FakeMessage) -> Awaitable[Asked]:
        said = text.format(id=image_of(message), link=link_to(message))
        return person.command(channel, command, said) if command else person.mention(channel, said)

    return ask


#: How somebody can name an image from anywhere.
DOORS: dict[str, Ask] = {
    "/refine with an ID": typed("/refine", "{id} more snow"),
    "/refine with a link": typed("/refine", "{link} more snow"),
    "/refine --image": typed("/refine", "more snow --image {id}"),
    "/refine with a number": typed("/refine", "{link} more snow --image 7"),
    "/refine privately": typed("/refine", "{id} more snow --private"),
    "a mention with an ID": typed("", "more snow --image {id}"),
    "a mention with a link": typed("", "{link} more snow"),
}


@pytest.fixture
def hall(slack: FakeSlack) -> Channel:
    return slack.channel("hall")


@pytest.fixture
def attic(slack: FakeSlack) -> Channel:
    return slack.channel("attic", private=True)


async def made_privately(slack: FakeSlack, rows: Rows, person: Person, channel: Channel) -> FakeMessage:
    await person.command(channel, "/generate", "a secret cat --private")
    message = await shown_in(slack, slack.dm(person))
    await settled(slack, rows, ["delivered"])
    return message


@pytest.mark.parametrize("door", [door for door in DOORS if "number" not in door])
async def test_what_is_made_in_an_open_channel_the_whole_workspace_may_refine(
    slack: FakeSlack, art: Channel, hall: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows, door: str
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        await DOORS[door](ben, hall, message)
        await settled(slack, rows, ["delivered"] * 2)

        assert refinement(limner).image_id == image_of(message)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("made", ["in a private channel", "in a group", "in direct messages", "privately"])
async def test_what_is_closed_to_others_is_unknown_elsewhere(
    slack: FakeSlack,
    art: Channel,
    hall: Channel,
    attic: Channel,
    ada: Person,
    ben: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    door: str,
    made: str,
) -> None:
    if made == "in a group":
        told_as(monkeypatch, hall, is_mpim=True, is_private=True)
    async with bot() as limner:
        if made == "privately":
            message = await made_privately(slack, rows, ada, art)
        else:
            closed = {"in a private channel": attic, "in a group": hall, "in direct messages": slack.dm(ada)}
            message = await paint(slack, rows, ada, closed[made])
        for person in (ben, slack.owner):
            with unchanged(limner, rows):
                assert await answered(art, person, DOORS[door](person, art, message)) == UNKNOWN


async def test_what_may_not_be_seen_is_answered_as_what_was_never_there(
    slack: FakeSlack, art: Channel, attic: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, attic, "a cat --images 3")
        for text in (SOME_ID, image_of(message), link_to(message), f"{link_to(message)} --image 2", "--image 7"):
            answer = await answered(art, ben, ben.command(art, "/refine", f"{text} more snow"))
            assert answer == (UNKNOWN if text != "--image 7" else words_for("en").say("image.none_here"))


async def test_so_it_is_by_every_button_and_window(
    slack: FakeSlack, art: Channel, attic: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        hidden = image_of(await paint(slack, rows, ada, attic))
        ((job,),) = rows.read("SELECT id FROM jobs")
        own = await paint(slack, rows, ben, art)
        for action in ("refine", "vary", "again", "recipe", "delete", "cancel", "retry", "confirm_delete"):
            is_job = action in ("cancel", "retry")
            answers = []
            for value in (str(job) if is_job else hidden, SOME_ID):
                button = planted(art, f"limner:{action}", value)
                with unchanged(limner, rows):
                    if action == "confirm_delete":
                        await ben.click(button, f"limner:{action}")
                        await slack.until(lambda button=button: button.shown == UNKNOWN)  # type: ignore[misc]
                        answers.append(button.shown)
                    else:
                        answers.append(await answered(art, ben, ben.click(button, f"limner:{action}")))
            assert answers == [NO_JOB if is_job else UNKNOWN] * 2, action
        answers = []
        for value in (hidden, SOME_ID):
            window = await ben.click(own, "Refine")
            await window.until(lambda one: one.view)
            assert window.view is not None
            window.view._form["private_metadata"] = window.view.private_metadata.replace(image_of(own), value)
            with unchanged(limner, rows):
                answers.append(await answered(art, ben, ben.submit(window, {"prompt": "warmer"})))
        assert answers == [UNKNOWN] * 2


@pytest.mark.parametrize("door", ["/refine with an ID", "a mention with a link"])
async def test_who_is_in_the_closed_channel_may_refine_there(
    slack: FakeSlack, attic: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows, door: str
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, attic)
        await DOORS[door](ben, attic, message)
        await settled(slack, rows, ["delivered"] * 2)

        assert refinement(limner).image_id == image_of(message)


@pytest.mark.parametrize("door", ["/refine with an ID", "a mention with a link"])
async def test_ones_own_may_be_refined_from_anywhere_and_shows_there(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, door: str
) -> None:
    async with bot() as limner:
        message = await made_privately(slack, rows, ada, art)
        await DOORS[door](ada, art, message)
        await shown_in(slack, art)

        assert refinement(limner).image_id == image_of(message)


async def test_what_was_made_privately_is_not_ones_last_image_in_the_channel(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        await made_privately(slack, rows, ada, art)
        with unchanged(limner, rows):
            answer = await answered(art, ada, ada.command(art, "/refine", "more snow"))
            assert answer == words_for("en").say("image.none_here")


async def test_images_of_another_workspace_are_unknown(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    other = slack.workspace("Another")
    cellar, eve = slack.channel("cellar", team=other), slack.person("Eve", team=other)
    async with bot() as limner:
        message = await paint(slack, rows, ada, art, "a cat --images 2")
        for door in DOORS.values():
            with unchanged(limner, rows):
                assert await answered(cellar, eve, door(eve, cellar, message)) == UNKNOWN


# Channels that workspaces share


@pytest.fixture
def bridge(slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> Channel:
    """With people of another company."""
    bridge = slack.channel("bridge")
    told_as(monkeypatch, bridge, is_shared=True, is_ext_shared=True)
    return bridge


@pytest.fixture
def eve(slack: FakeSlack) -> Person:
    """From another company, whose admin she is."""
    return slack.person("Eve", team=slack.workspace("Another"), admin=True)


async def test_what_is_made_in_a_shared_channel_stays_in_it(
    slack: FakeSlack, art: Channel, bridge: Channel, ada: Person, ben: Person, eve: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, eve, bridge)
        with unchanged(limner, rows):
            for door in DOORS.values():
                assert await answered(art, ben, door(ben, art, message)) == UNKNOWN
        await ben.mention(bridge, "warmer", thread=message)
        later = await shown_in(slack, bridge, 2)
        await settled(slack, rows, ["delivered"] * 2)
        await eve.mention(bridge, "colder", thread=message)
        await shown_in(slack, bridge, 3)

        assert refinement(limner).image_id == image_of(later)


async def test_people_of_other_companies_know_nothing_of_the_rest_of_the_workspace(
    slack: FakeSlack, art: Channel, bridge: Channel, ada: Person, eve: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        with unchanged(limner, rows):
            for door in DOORS.values():
                assert await answered(bridge, eve, door(eve, bridge, message)) == UNKNOWN
            slack.fail("users.info", times=None)
            somebody = slack.person("Somebody", team=eve.team)
            door = DOORS["/refine with an ID"]
            assert await answered(bridge, somebody, door(somebody, bridge, message)) == UNKNOWN


async def test_people_of_the_workspace_keep_its_images_in_a_shared_channel(
    slack: FakeSlack,
    art: Channel,
    bridge: Channel,
    ada: Person,
    ben: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell = payloads.user
    home = slack.team.id
    # In an organisation of several workspaces, Slack names the first one.
    belongs = {"team_id": "T0FIRST000", "enterprise_user": {"id": "U0", "teams": ["T0FIRST000", home]}}
    monkeypatch.setattr(payloads, "user", lambda person, **more: tell(person, **more) | belongs)
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        await DOORS["a mention with a link"](ben, bridge, message)
        await settled(slack, rows, ["delivered"] * 2)

        assert refinement(limner).image_id == image_of(message)


async def test_the_rules_of_the_workspace_hold_for_people_of_other_companies_who_cannot_change_them(
    slack: FakeSlack, bridge: Channel, eve: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            answer = await answered(bridge, eve, eve.command(bridge, "/limner", "pause"))
            assert "only with what is yours" in answer or "only for admins" in answer
        await answered(bridge, slack.owner, slack.owner.command(bridge, "/limner", "pause"))
        with unchanged(limner, rows):
            assert "paused painting" in await answered(bridge, eve, eve.mention(bridge, "a cat"))


async def test_an_admin_of_another_company_may_not_delete_what_others_made(
    slack: FakeSlack, bridge: Channel, ada: Person, eve: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, bridge)
        await eve.click(message, "Delete")
        await told(slack, bridge, eve, "only with what is yours")


@pytest.mark.parametrize("kind", ["is_restricted", "is_ultra_restricted"])
async def test_guests_use_the_channels_that_they_are_in(
    slack: FakeSlack,
    art: Channel,
    ada: Person,
    ben: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    tell = payloads.user
    monkeypatch.setattr(payloads, "user", lambda person, **more: tell(person, **more) | {kind: person is ben})
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        await ben.mention(art, "warmer", thread=message)
        await shown_in(slack, art, 2)

        assert refinement(limner).image_id == image_of(message)
