"""What somebody might try who wants to see, do or have said what is not theirs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.text import MARKS_MAX
from adapters.slack.mrkdwn import plain
from adapters.slack.people import Room, Someone, asker_of
from adapters.slack.pictures import fetched
from adapters.slack.tokens import as_typed
from adapters.slack.words import words_for
from bot.errors import BadRequest, Forbidden
from bot.typed import MISTAKES_MOST, read
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.test_buttons import planted
from tests.adapters.slack.watching import (
    Rows,
    answered,
    asked_for,
    asker,
    image_of,
    link_to,
    paint,
    picture,
    refinement,
    requests,
    settled,
    shown_in,
    told,
    told_as,
    unchanged,
)
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeMessage, FakeSlack, Person, interactions, payloads

ENGLISH = words_for("en")
UNKNOWN = ENGLISH.say("refusal.not_found.image")
NO_JOB = ENGLISH.say("refusal.not_found.job")
ADMINS_ONLY = ENGLISH.say("admins_only")


@pytest.fixture
def attic(slack: FakeSlack) -> Channel:
    return slack.channel("attic", private=True)


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


def at_ours(slack: FakeSlack, person: Person) -> Channel:
    """Direct messages of somebody from elsewhere with the bot of this workspace."""
    talk = slack.dm(person)
    talk.team = slack.team
    return talk


# The bot's token


@pytest.mark.parametrize("door", ["mention", "shortcut", "looked up"])
async def test_the_token_goes_to_nobody_but_slack_whatever_is_told_of_a_file(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    tell = payloads.file

    def forged(file: Any) -> dict[str, Any]:
        told_of = tell(file)
        told_of["url_private"] = told_of["url_private"].replace("127.0.0.1", "localhost")
        return told_of

    monkeypatch.setattr(payloads, "file", forged)
    if door == "looked up":
        known = payloads.message

        def unknown(message: FakeMessage) -> dict[str, Any]:
            files = [{"id": file.id, "file_access": "check_file_info"} for file in message.contents.shared]
            return known(message) | ({"files": files} if files else {})

        monkeypatch.setattr(payloads, "message", unknown)
    async with bot() as limner:
        with unchanged(limner, rows):
            if door == "shortcut":
                said = (await ada.say(art, "Look!", files=[picture()])).message
                assert said is not None
                window = await ada.shortcut(said, "refine_image")
                asking = ada.submit(window, {"prompt": "snow"})
            else:
                asking = ada.say(art, "<@bot> snow", files=[picture()])
            assert await answered(art, ada, asking) == ENGLISH.say("mistake.picture.not_there")

    assert requests(slack, "download") == []


@pytest.mark.parametrize(
    "address",
    [
        "http://files.slack.com/a.png",
        "https://files.slack.com.evil.example/a.png",
        "https://evilslack.com/a.png",
        "https://slack.com.evil.example\\@files.slack.com/a.png",
        "https://files.slack.com@evil.example/a.png",
        "https://evil.example@files.slack.com/a.png",
        "https://files.slack.com:pass@evil.example/a.png",
        "https://files.slack.com:444/a.png",
        "https://files.slack.com./a.png",
        "https://files.slack.com%2eevil.example/a.png",
        "https://files\u3002slack\u3002com.evil.example/a.png",
        "https://files.\u0455lack.com/a.png",
        "https://xn--files-slack.com/a.png",
        "https://127.0.0.1/a.png",
        "https://[::ffff:127.0.0.1]/a.png",
        "https://2130706433/a.png",
        "https://slack.com.evil.example/files.slack.com/a.png",
        "https://slack-gov.com.evil.example/a.png",
        "HTTP://files.slack.com/a.png",
        "https://evil.example/https://files.slack.com/a.png",
        "https://evil.example#files.slack.com",
        "//files.slack.com/a.png",
        "https://api.example:444/a.png",
        "http://api.example/a.png",
        "ftp://files.slack.com/a.png",
        "file:///etc/passwd",
        "https://[::1",
        "",
    ],
)
async def test_an_address_that_is_not_slacks_is_not_asked(address: str) -> None:
    client = AsyncWebClient("xoxb-1", base_url="https://api.example/api/")
    with pytest.raises(BadRequest) as refused:
        await fetched({"url_private": address}, client)
    assert [mistake.kind for mistake in refused.value.mistakes] == ["not_there"]


async def test_no_redirect_is_followed() -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.path)
        raise web.HTTPFound("/elsewhere")

    app = web.Application()
    app.router.add_get("/{any:.*}", answer)
    async with TestServer(app) as server:
        client = AsyncWebClient("xoxb-1", base_url=str(server.make_url("/api/")))
        with pytest.raises(BadRequest) as refused:
            await fetched({"url_private": str(server.make_url("/a.png"))}, client)
    assert seen == ["/a.png"]
    assert [mistake.kind for mistake in refused.value.mistakes] == ["not_there"]


# People of other companies


async def test_who_is_blocked_gets_around_that_by_no_window(
    slack: FakeSlack, bridge: Channel, ada: Person, eve: Person, bot: StartBot, rows: Rows
) -> None:
    """Slack says of a window that somebody from elsewhere sends that it comes from their own workspace."""
    async with bot() as limner:
        message = await paint(slack, rows, ada, bridge)
        said = (await ada.say(bridge, "Look!", files=[picture()])).message
        assert said is not None
        windows = [await eve.click(message, "Refine"), await eve.shortcut(said, "refine_image")]
        for window in windows:
            await window.until(lambda one: one.view)
        await answered(bridge, slack.owner, slack.owner.command(bridge, "/limner", f"block {eve.tag}"))
        with unchanged(limner, rows):
            for window in windows:
                asking = eve.submit(window, {"prompt": "warmer"})
                assert await answered(bridge, eve, asking) == ENGLISH.say("refusal.blocked")


async def test_a_window_works_for_people_of_other_companies_in_their_channel(
    slack: FakeSlack, bridge: Channel, ada: Person, eve: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, bridge)
        await eve.submit(await eve.click(message, "Refine"), {"prompt": "warmer"})
        later = await shown_in(slack, bridge, 2)
        await settled(slack, rows, ["delivered"] * 2)
        assert refinement(limner).image_id == image_of(message)

        await ada.click(later, "Vary")
        await shown_in(slack, bridge, 3)
        assert refinement(limner).image_id == image_of(later)


async def test_an_outsider_is_one_in_direct_messages_too(
    slack: FakeSlack, art: Channel, ada: Person, eve: Person, bot: StartBot, rows: Rows
) -> None:
    talk = at_ours(slack, eve)
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        with unchanged(limner, rows):
            for text in (f"{image_of(message)} snow", f"{link_to(message)} snow", f"snow --image {image_of(message)}"):
                assert await answered(talk, eve, eve.command(talk, "/refine", text)) == UNKNOWN
            for command, text in (("/limner", "pause"), ("/limner", "purge"), ("/limner-status", "")):
                assert await answered(talk, eve, eve.command(talk, command, text)) == ADMINS_ONLY
            assert "*For admins*" not in await answered(talk, eve, eve.command(talk, "/limner", "help"))


async def test_an_outsider_is_no_admin_in_the_home_tab(slack: FakeSlack, eve: Person, bot: StartBot) -> None:
    at_ours(slack, eve)
    async with bot():
        await eve.opens_home()
        home = await slack.until(lambda: slack.home(eve))
    assert home is not None
    assert "*Paint*" in home.shown
    assert "*For admins*" not in home.shown


async def test_an_outsider_is_one_where_slack_does_not_tell_of_the_channel(
    slack: FakeSlack, art: Channel, bridge: Channel, ada: Person, eve: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        slack.fail("conversations.info", error="channel_not_found", times=None)
        with unchanged(limner, rows):
            asking = eve.command(bridge, "/refine", f"{image_of(message)} snow --private")
            assert await answered(bridge, eve, asking) == UNKNOWN


async def test_who_runs_another_workspace_of_the_organisation_does_not_run_this_one(
    slack: FakeSlack,
    art: Channel,
    ada: Person,
    eve: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told_as(monkeypatch, art, is_shared=True, is_org_shared=True)
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        with unchanged(limner, rows):
            assert await answered(art, eve, eve.command(art, "/limner", "purge")) == ADMINS_ONLY
            assert await answered(art, eve, eve.click(message, "Delete")) == ENGLISH.say("refusal.forbidden")
        await eve.mention(art, "warmer", thread=message)
        await shown_in(slack, art, 2)
        assert refinement(limner).image_id == image_of(message)


OPEN = Room(open=True, direct=False, member=True, archived=False)
CLOSED = replace(OPEN, open=False)
SHARED = replace(CLOSED, shared=True)
DIRECT = replace(CLOSED, direct=True)
UNKNOWN_ROOM = replace(CLOSED, member=False, unknown="no_answer")


@pytest.mark.parametrize("room", [OPEN, CLOSED, SHARED, DIRECT, UNKNOWN_ROOM])
def test_no_stranger_is_an_admin_anywhere_and_everybody_at_home_is_no_outsider(room: Room) -> None:
    at_home = Someone("Ada", "", admin=True, teams=frozenset({"T1"}))
    stranger = Someone("Eve", "", admin=True, teams=frozenset({"T2"}))
    ours, theirs = (asker_of("T1", "U1", "C1", room, one) for one in (at_home, stranger))
    assert (ours.outsider, ours.admin, ours.moderator) == (False, True, True)
    assert (theirs.outsider, theirs.admin, theirs.moderator) == (not room.open, False, False)
    named = asker_of("T1", "U1", "C1", room, replace(stranger, named=True))
    assert named.admin is room.open, "who is named helps out in all of the workspace, if they are let in there"


def test_whom_slack_does_not_tell_of_may_be_an_outsider_where_there_are_any() -> None:
    nobody = Someone("U1", "", admin=False, named=True)
    outsiders = [
        room for room in (OPEN, CLOSED, SHARED, DIRECT, UNKNOWN_ROOM) if asker_of("T1", "U", "C", room, nobody).outsider
    ]
    assert outsiders == [SHARED, UNKNOWN_ROOM]


# Closed places


ACTIONS = ["refine", "vary", "again", "recipe", "delete", "confirm_delete"]


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_button_with_an_image_of_elsewhere_does_and_tells_nothing(
    slack: FakeSlack,
    art: Channel,
    attic: Channel,
    ada: Person,
    bot: StartBot,
    rows: Rows,
    action: str,
) -> None:
    async with bot() as limner:
        hidden = await paint(slack, rows, ada, attic, "a secret cat")
        for person in (slack.person("Ben"), slack.owner):
            button = planted(art, f"limner:{action}", image_of(hidden))
            with unchanged(limner, rows):
                asked = await person.click(button, f"limner:{action}")
                if action == "confirm_delete":
                    await slack.until(lambda button=button: button.shown == UNKNOWN)  # type: ignore[misc]
                else:
                    assert UNKNOWN in await told(slack, art, person, UNKNOWN)
            assert asked.view is None
        assert not hidden.deleted


@pytest.mark.parametrize("action", ["cancel", "retry"])
async def test_a_button_with_a_job_of_elsewhere_does_and_tells_nothing_nor_takes_a_message_away(
    slack: FakeSlack,
    art: Channel,
    attic: Channel,
    ada: Person,
    ben: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
) -> None:
    async with bot() as limner:
        await paint(slack, rows, ada, attic, "a secret cat")
        shown = await paint(slack, rows, ada, art)
        ((job,),) = rows.read("SELECT id FROM jobs ORDER BY number LIMIT 1")
        place = interactions._message_place

        def forged(asked: Any) -> dict[str, Any]:
            told_of = place(asked)
            told_of["container"]["message_ts"] = shown.ts
            return told_of

        button = planted(art, f"limner:{action}", str(job))
        monkeypatch.setattr(interactions, "_message_place", forged)
        with unchanged(limner, rows):
            assert await answered(art, ben, ben.click(button, f"limner:{action}")) == NO_JOB
        assert not shown.deleted


async def test_a_result_that_was_forwarded_shows_no_more_by_its_menu(
    slack: FakeSlack,
    art: Channel,
    attic: Channel,
    ada: Person,
    ben: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with bot() as limner:
        hidden = await paint(slack, rows, ada, attic, "a secret cat")
        copy = (await ada.say(art, "Look!")).message
        assert copy is not None
        tell = payloads.message
        share = {"is_share": True, "channel_id": attic.id, "ts": hidden.ts, "files": [payloads.file(hidden.files[0])]}
        share["message_blocks"] = [{"team": slack.team.id, "message": {"blocks": hidden.blocks}}]
        monkeypatch.setattr(
            payloads, "message", lambda one: tell(one) | ({"attachments": [share]} if one is copy else {})
        )
        with unchanged(limner, rows):
            assert await answered(art, ben, ben.shortcut(copy, "refine_image")) == ENGLISH.say("picture.none")
            assert await answered(art, ben, ben.shortcut(copy, "show_recipe")) == ENGLISH.say("recipe.none")


async def test_a_channel_that_is_closed_later_closes_what_is_made_from_then_on(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    hall = slack.channel("hall")
    async with bot() as limner:
        before = await paint(slack, rows, ada, art, "an open cat")
        art.private = True
        limner.app.desk._people._known.clear()  # a minute later
        after = await paint(slack, rows, ada, art, "a secret cat")
        with unchanged(limner, rows):
            for text in (f"{image_of(after)} snow", f"{link_to(after)} snow"):
                assert await answered(hall, ben, ben.command(hall, "/refine", text)) == UNKNOWN
        await ben.command(hall, "/refine", f"{link_to(before)} snow")
        await shown_in(slack, hall)
        assert refinement(limner).image_id == image_of(before)


async def test_a_picture_that_somebody_brought_is_closed_as_the_place_is(
    slack: FakeSlack, art: Channel, attic: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        await ada.say(attic, "<@bot> snow", files=[picture()])
        await shown_in(slack, attic)
        await settled(slack, rows, ["delivered"])
        brought = refinement(limner).image_id
        with unchanged(limner, rows):
            assert await answered(art, ben, ben.command(art, "/refine", f"{brought} rain")) == UNKNOWN


async def test_strangers_delete_nothing_by_whichever_way(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        button = planted(art, "limner:confirm_delete", image_of(message))
        with unchanged(limner, rows):
            with pytest.raises(Forbidden):
                await limner.service.delete(image_of(message), asker(ben))
            await ben.click(button, "limner:confirm_delete")
            await slack.until(lambda: button.shown == ENGLISH.say("refusal.forbidden"))
        assert not message.deleted


@pytest.mark.parametrize("kind", ["is_private", "is_mpim", "is_im", "is_ext_shared"])
async def test_one_sign_is_enough_for_a_place_to_be_closed(
    slack: FakeSlack,
    art: Channel,
    ada: Person,
    ben: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    hall = slack.channel("hall")
    told_as(monkeypatch, hall, **{kind: True})
    async with bot() as limner:
        message = await paint(slack, rows, ada, hall, "a secret cat")
        with unchanged(limner, rows):
            assert await answered(art, ben, ben.command(art, "/refine", f"{image_of(message)} snow")) == UNKNOWN


@pytest.mark.parametrize("place", ["a private channel", "direct messages"])
async def test_the_status_names_nobody_who_paints_in_a_closed_place(
    slack: FakeSlack, art: Channel, attic: Channel, ada: Person, bot: StartBot, place: str
) -> None:
    executor = FakeExecutor()
    executor.hold()
    async with bot(executor):
        await ada.command(attic if place == "a private channel" else slack.dm(ada), "/generate", "a dog")
        await slack.until(lambda: executor.works)
        text = await answered(art, slack.owner, slack.owner.command(art, "/limner-status"))
    assert "for somebody here, privately · " in text
    assert "Ada" not in text


# What others are called, and what they write


async def test_what_somebody_is_called_is_no_option_of_who_names_them(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot
) -> None:
    mallory = slack.person("Mallory --images 4 \u2014private --no cats")
    async with bot() as limner:
        await ada.mention(art, f"a portrait of {mallory.tag} --steps 4")
        await shown_in(slack, art)
        request = asked_for(limner)
    assert request.prompt == "a portrait of Mallory images 4 private no cats"
    assert (request.num_images, request.num_inference_steps, request.negative_prompt) == (1, 4, None)


def test_no_more_mistakes_are_looked_into_than_somebody_reads() -> None:
    with pytest.raises(BadRequest) as refused:
        read("a cat " + " ".join(f"--step{number}" for number in range(4000)))
    assert len(refused.value.mistakes) == MISTAKES_MOST


def test_a_dash_within_a_name_stays() -> None:
    assert as_typed("<@U1> and <@U2|--x>", {"U1": "Jean-Luc --y - Z --"}) == "Jean-Luc y - Z  and x"


@pytest.mark.parametrize("name", ["<!channel>", "*_~`", "<https://evil.example|Slack>", "@here", "\u202e<@U012AB3CD>"])
async def test_whatever_somebody_is_called_rings_for_nobody(
    slack: FakeSlack, art: Channel, bot: StartBot, rows: Rows, name: str
) -> None:
    person = slack.person(name)
    async with bot():
        message = await paint(slack, rows, person, art, f"a cat {name}")
    assert message.pings == []
    assert "https://evil.example|" not in message.text


JOINERS: list[Callable[[int], str]] = [
    lambda count: "e" + ("\u0301" * MARKS_MAX + "\u200d") * count,
    lambda count: "e" + "\u0301\u200c" * count,
    lambda count: "e" + "\u0489\u200b" * count,
]


@pytest.mark.parametrize("tower", JOINERS)
def test_nothing_without_width_lets_a_tower_of_marks_grow(tower: Callable[[int], str]) -> None:
    assert sum(char in "\u0301\u0489" for char in plain(tower(30), 1000)) == MARKS_MAX


@pytest.mark.parametrize(
    "whole",
    [
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\u2764\ufe0f\u200d\U0001f525",
        "1\ufe0f\u20e3",
        "\U0001f3f4\U000e0067\U000e0062\U000e007f",
        "\u0915\u094d\u200d\u0937",
    ],
)
def test_emoji_and_letters_of_several_parts_stay_whole(whole: str) -> None:
    assert plain(whole * 5, 1000) == whole * 5
