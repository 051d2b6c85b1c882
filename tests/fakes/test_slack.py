"""The fake Slack, driven by a small bot on the real slack-bolt, over sockets and over HTTP."""

import asyncio
import copy
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncConnectionErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.executor import png
from tests.fakes.slack import Channel, FakeSlack, Person, Upload, spec
from tests.fakes.slack.probe import (
    MANIFEST,
    Probe,
    actions,
    button,
    image,
    modal,
    over_http,
    over_socket,
    plain,
    section,
    upload,
)

PNG = Upload("cat.png", "image/png", png((4, 2)))
needs_specs = pytest.mark.skipif(spec.load() is None, reason="Slack's own descriptions are not beside the project")


@pytest.fixture
async def fake() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(MANIFEST, checks_itself=True) as fake:
        yield fake


@pytest.fixture
def art(fake: FakeSlack) -> Channel:
    return fake.channel("art")


@pytest.fixture
def ada(fake: FakeSlack) -> Person:
    return fake.person("Ada", locale="de-DE")


@pytest.fixture
async def probe(fake: FakeSlack) -> AsyncIterator[Probe]:
    async with over_socket(fake) as probe:
        yield probe


def both(fake: FakeSlack, way: str) -> AbstractAsyncContextManager[Probe]:
    return over_socket(fake) if way == "socket" else over_http(fake)


ways = pytest.mark.parametrize("way", ["socket", "http"])


async def refusal(work: Awaitable[Any]) -> str:
    """Slack's code."""
    with pytest.raises(SlackApiError) as caught:
        await work
    code: str = caught.value.response["error"]
    return code


def told(fake: FakeSlack) -> str:
    """The rules that were broken since the last call."""
    text = "\n".join(fake.violations)
    fake.violations.clear()
    return text


# What people do, over both ways


@ways
async def test_a_command_is_acknowledged_and_answered(fake: FakeSlack, art: Channel, ada: Person, way: str) -> None:
    async with both(fake, way):
        asked = await ada.command(art, "/generate", "a cat & a <dog>")
        await asked.until(lambda asked: asked.acknowledged and asked.responses and art.messages)
    assert asked.ack_seconds is not None
    assert asked.ack_seconds < 3
    assert asked.reply
    assert asked.reply.texts == ["Painting …"]
    assert asked.reply.ephemeral_to is ada
    assert asked.told == "Painting …\na cat &amp; a &lt;dog&gt; for ada in art"
    assert art.messages[0].texts == ["a cat &amp; a &lt;dog&gt;"]
    assert art.messages[0].button("Refine") == "refine"
    assert len(art.whispers) == 2
    with pytest.raises(AssertionError, match="not supported in threads"):
        await ada.command(art, "/generate", "x", thread=art.messages[0])
    with pytest.raises(AssertionError, match="no command '/paint'"):
        await ada.command(art, "/paint")


@ways
async def test_a_button_opens_a_modal_and_the_bot_reads_what_was_filled_in(
    fake: FakeSlack, art: Channel, ada: Person, way: str
) -> None:
    async with both(fake, way) as probe:
        await probe.client.chat_postMessage(
            channel=art.id, text="cat", blocks=[actions(button("Refine", "refine", "img7"))]
        )
        asked = await ada.click(art.messages[0], "Refine")
        wrong = await ada.submit(asked, {"prompt": "wrong"})
        await wrong.until(lambda wrong: wrong.errors)
        assert wrong.errors == {"prompt": "Not that."}
        more = await ada.submit(wrong, {"Prompt": "more", "style": "ink"})
        await more.until(lambda more: more.view and more.view.title == "More")
        done = await ada.submit(more)
        await done.until(lambda done: done.acknowledged)
    assert asked.view
    assert asked.view.closed
    clicked, _, second, third = probe.heard
    assert clicked["actions"][0]["value"] == "img7"
    assert clicked["container"]["message_ts"] == clicked["message"]["ts"] == art.messages[0].ts
    assert second["view"]["private_metadata"] == "img1"
    assert second["view"]["state"]["values"]["style"]["style"]["selected_option"]["value"] == "ink"
    assert third["view"]["state"]["values"]["prompt"]["text"]["value"] == "a cat"
    with pytest.raises(AssertionError, match="is closed"):
        await ada.submit(done if done.view else asked)


@ways
async def test_a_mention_in_a_thread_is_heard_and_answered_there(
    fake: FakeSlack, art: Channel, ada: Person, way: str
) -> None:
    async with both(fake, way) as probe:
        first = await ada.say(art, "look")
        assert first.message
        assert not first.heard
        asked = await ada.mention(art, "warmer light", thread=first.message)
        await fake.until(lambda: len(art.messages) == 3)
        await asked.until(lambda asked: asked.acknowledged)
    assert [event["text"] for event in probe.heard] == [f"{fake.bot.tag} warmer light"]
    assert probe.heard[0]["thread_ts"] == first.message.ts
    assert [message.text for message in first.message.replies][1:] == ["Here you are."]


@ways
async def test_a_shortcut_tells_the_whole_message(fake: FakeSlack, art: Channel, ada: Person, way: str) -> None:
    first = await ada.say(art, "look")
    shown = await ada.say(art, "here", thread=first.message, files=[PNG])
    assert shown.message
    async with both(fake, way) as probe:
        asked = await ada.shortcut(shown.message, "Refine image")
        await asked.until(lambda asked: asked.view)
        closed = await ada.close(asked)
        await closed.until(lambda closed: closed.acknowledged)
        (file,) = probe.heard[0]["message"]["files"]
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {fake.bot_token}"}) as session:
            assert await (await session.get(file["url_private"])).read() == PNG.data
        async with aiohttp.ClientSession() as session:
            assert "Sign in" in await (await session.get(file["url_private"])).text()
    assert probe.heard[0]["message"]["thread_ts"] == probe.heard[0]["message"]["thread_ts"]
    assert (file["original_w"], file["mimetype"]) == (4, "image/png")
    assert probe.heard[1]["type"] == "view_closed"
    with pytest.raises(AssertionError, match="no message shortcut 'other'"):
        await ada.shortcut(shown.message, "other")


@ways
async def test_direct_messages_and_the_home_tab(fake: FakeSlack, ada: Person, way: str) -> None:
    dm = fake.dm(ada)
    async with both(fake, way) as probe:
        asked = await ada.say(dm, "a <cat>", files=[PNG])
        opened = await ada.opens_home()
        await fake.until(lambda: fake.home(ada) and len(probe.heard) == 2)
        home = fake.home(ada)
        assert home
        clicked = await ada.click(home, "Refine")
        await clicked.until(lambda clicked: clicked.view)
    assert asked.acknowledged
    assert opened.acknowledged
    heard = {event["type"]: event for event in probe.heard if "channel" in event}
    message, home_event = heard["message"], heard["app_home_opened"]
    assert (message["text"], message["channel_type"], message["subtype"]) == ("a &lt;cat&gt;", "im", "file_share")
    assert home_event["channel"] == dm.id
    assert home.texts == ["Your images"]


@pytest.mark.slow
async def test_two_hundred_commands_at_once_are_all_answered(
    fake: FakeSlack, art: Channel, ada: Person, probe: Probe
) -> None:
    asked = await asyncio.gather(*(ada.command(art, "/generate", str(number)) for number in range(200)))
    await fake.until(lambda: len(art.messages) == 200 and all(one.responses for one in asked), 30)
    assert not any(one.timed_out for one in asked)


async def test_two_people_talk_where_the_bot_is_not(fake: FakeSlack, ada: Person, probe: Probe) -> None:
    private = fake.dm(ada, fake.person("Ben"))
    asked = await ada.command(private, "/generate", "a cat")
    await asked.until(lambda asked: asked.responses)
    assert "in directmessage" in asked.told
    assert not (await ada.say(private, "psst")).heard
    assert await refusal(probe.client.chat_postMessage(channel=private.id, text="x")) == "channel_not_found"


async def test_what_a_person_chooses_is_told(fake: FakeSlack, art: Channel, ada: Person, probe: Probe) -> None:
    menu = {"type": "static_select", "action_id": "refine", "options": [{"text": plain("Ink"), "value": "ink"}]}
    await probe.client.chat_postMessage(channel=art.id, text="x", blocks=[actions(menu)])
    asked = await ada.click(art.messages[0], "refine", "ink")
    await asked.until(lambda asked: asked.view)
    assert probe.heard[0]["actions"][0]["selected_option"]["value"] == "ink"
    with pytest.raises(AssertionError, match="offers"):
        await ada.click(art.messages[0], "refine", "oil")
    with pytest.raises(AssertionError, match="Nothing called 'Keep'"):
        await ada.click(art.messages[0], "Keep")


async def test_modals_lie_on_top_of_each_other(fake: FakeSlack, art: Channel, ada: Person, probe: Probe) -> None:
    await probe.client.chat_postMessage(channel=art.id, text="x", blocks=[actions(button("Refine", "refine"))])
    first = await ada.click(art.messages[0], "Refine")
    second = await ada.submit(first, {"prompt": "deeper"})
    await second.until(lambda second: second.view)
    assert second.view
    assert first.view
    assert second.view.below is first.view
    with pytest.raises(AssertionError, match="must be filled in"):
        await ada.submit(second, {"prompt": ""})
    with pytest.raises(AssertionError, match="has no fields"):
        await ada.submit(second, {"prompts": "x"})
    done = await ada.submit(second, {"prompt": "enough"})
    await done.until(lambda done: done.acknowledged)
    assert first.view.closed
    assert second.view.closed


async def test_views_are_updated_by_their_hash(fake: FakeSlack, art: Channel, ada: Person, probe: Probe) -> None:
    asked = await ada.command(art, "/generate", "x")
    view = (await probe.client.views_open(trigger_id=asked.trigger_id, view=modal()))["view"]
    update = probe.client.views_update
    await update(view_id=view["id"], hash=view["hash"], view=modal(title="New"))
    assert asked.view
    assert asked.view.title == "New"
    assert await refusal(update(view_id=view["id"], hash=view["hash"], view=modal())) == "hash_conflict"
    assert await refusal(update(view_id="V0", view=modal())) == "not_found"
    again = probe.client.views_open(trigger_id=asked.trigger_id, view=modal())
    assert await refusal(again) == "exchanged_trigger_id"
    assert await refusal(probe.client.views_open(trigger_id="1.2.a", view=modal())) == "invalid_trigger_id"
    late = await ada.command(art, "/generate", "x")
    fake.clock.advance(3.1)
    assert await refusal(probe.client.views_open(trigger_id=late.trigger_id, view=modal())) == "expired_trigger_id"
    asked.view.close()
    assert await refusal(update(view_id=view["id"], view=modal())) == "not_found"


async def test_a_response_url_is_good_five_times_and_half_an_hour(
    fake: FakeSlack, art: Channel, ada: Person, probe: Probe
) -> None:
    asked = await ada.command(art, "/silent")
    late = await ada.command(art, "/silent")
    async with aiohttp.ClientSession() as session:

        async def respond(url: str, **form: Any) -> tuple[int, str]:
            async with session.post(url, json=form) as response:
                return response.status, await response.text()

        assert await respond(asked.response_url, text="a", response_type="in_channel") == (200, "ok")
        assert await respond(asked.response_url, text="b", replace_original=True) == (200, "ok")
        assert await respond(asked.response_url, delete_original=True) == (200, "ok")
        assert await respond(asked.response_url) == (400, "no_text")
        for _ in range(2):
            await respond(asked.response_url, text="c")
        assert await respond(asked.response_url, text="d") == (404, "used_url")
        fake.clock.advance(30 * 60)
        assert await respond(late.response_url, text="d") == (404, "expired_url")
    assert [(one.text, one.ephemeral, one.deleted) for one in asked.responses] == [
        ("b", False, True),
        ("c", True, False),
        ("c", True, False),
    ]
    assert "empty" in told(fake)


async def test_the_message_that_was_clicked_on_can_be_replaced(
    fake: FakeSlack, art: Channel, ada: Person, probe: Probe
) -> None:
    ben = fake.person("Ben")
    art.members.add(ada)
    blocks = [actions(button("Keep", "keep"))]
    await probe.client.chat_postEphemeral(channel=art.id, user=ada.id, text="x", blocks=blocks)
    (whisper,) = art.whispers
    with pytest.raises(AssertionError, match="Ben cannot see"):
        await ben.click(whisper, "Keep")
    asked = await ada.click(whisper, "Keep")
    assert "message" not in asked.payload
    await asked.until(lambda asked: whisper.text == "kept")
    assert (whisper.texts, whisper.edits) == (["kept"], 1)
    asked = await ada.mention(art, "hello")
    assert asked.message
    await probe.client.chat_postEphemeral(channel=art.id, user=ada.id, text="psst", thread_ts=asked.message.ts)
    assert "'psst' is seen by nobody" in told(fake)


# Messages and files


async def test_messages_are_posted_edited_and_deleted(fake: FakeSlack, art: Channel, ada: Person, probe: Probe) -> None:
    blocks = [section("*A cat*"), actions(button("Refine", "refine"))]
    posted = await probe.client.chat_postMessage(channel=art.id, text="A cat", blocks=blocks)
    (message,) = art.messages
    assert (posted["ts"], message.labels) == (message.ts, ["Refine"])
    assert all(block["block_id"] for block in message.blocks)
    await probe.client.chat_update(channel=art.id, ts=message.ts, text="Done", blocks=[])
    assert (message.texts, message.edits) == (["Done"], 1)
    assert [entry[1:] for entry in message.history] == [("A cat", 0), ("Done", 0)]
    link = await probe.client.chat_getPermalink(channel=art.id, message_ts=message.ts)
    assert link["permalink"] == f"https://studio.slack.com/archives/{art.id}/p{message.ts.replace('.', '')}"
    await probe.client.chat_delete(channel=art.id, ts=message.ts)
    assert (art.messages, art.record) == ([], [message])
    assert await refusal(probe.client.chat_update(channel=art.id, ts=message.ts, text="x")) == "message_not_found"
    assert await refusal(probe.client.chat_delete(channel=art.id, ts=message.ts)) == "message_not_found"
    theirs = (await ada.say(art, "mine")).message
    assert theirs
    assert await refusal(probe.client.chat_update(channel=art.id, ts=theirs.ts, text="x")) == "cant_update_message"
    assert await refusal(probe.client.chat_delete(channel=art.id, ts=theirs.ts)) == "cant_delete_message"


async def test_channels_are_as_the_bot_sees_them(fake: FakeSlack, ada: Person, probe: Probe) -> None:
    client, public = probe.client, fake.channel("public", member=False)
    secret, old = fake.channel("secret", private=True, member=False), fake.channel("old")
    old.archive()
    assert await refusal(client.chat_postMessage(channel=public.id, text="x")) == "not_in_channel"
    assert await refusal(client.chat_postMessage(channel=secret.id, text="x")) == "channel_not_found"
    assert await refusal(client.chat_postMessage(channel=old.id, text="x")) == "is_archived"
    assert not (await client.conversations_info(channel=public.id))["channel"]["is_member"]
    assert await refusal(client.conversations_info(channel=secret.id)) == "channel_not_found"
    secret.invite_bot()
    assert (await client.conversations_info(channel=secret.id))["channel"]["is_private"]
    await client.chat_postMessage(channel=secret.id, text="x")
    secret.kick_bot()
    assert await refusal(client.chat_postMessage(channel=secret.id, text="x")) == "channel_not_found"
    ephemeral = client.chat_postEphemeral(channel=public.id, user=ada.id, text="x")
    assert await refusal(ephemeral) == "not_in_channel"
    public.invite_bot()
    ephemeral = client.chat_postEphemeral(channel=public.id, user=ada.id, text="x")
    assert await refusal(ephemeral) == "user_not_in_channel"
    assert not (await ada.mention(fake.channel("elsewhere", member=False), "hello")).heard


async def test_people_are_told_with_their_rights_and_locale(fake: FakeSlack, ada: Person, probe: Probe) -> None:
    admin = fake.person("Mo", admin=True)
    mo = (await probe.client.users_info(user=admin.id))["user"]
    assert (mo["is_admin"], mo["is_owner"], "locale" in mo) == (True, False, False)
    assert (await probe.client.users_info(user=ada.id, include_locale=True))["user"]["locale"] == "de-DE"
    assert await refusal(probe.client.users_info(user="U1")) == "user_not_found"
    opened = await probe.client.conversations_open(users=[ada.id])
    await probe.client.chat_postMessage(channel=opened["channel"]["id"], text="hello")
    await probe.client.chat_postMessage(channel=ada.id, text="again")
    assert [message.text for message in fake.dm(ada).messages] == ["hello", "again"]


async def test_a_file_is_shown_in_a_block_once_it_is_processed(fake: FakeSlack, art: Channel, probe: Probe) -> None:
    fake.file_delay = 5
    fake.image_blocks_share = True
    file_id = await upload(probe.client, PNG.data)
    (file,) = fake.files
    before = (await probe.client.files_info(file=file_id))["file"]
    assert (before["mimetype"], before["shares"]) == ("", {})
    post = probe.client.chat_postMessage
    assert await refusal(post(channel=art.id, text="x", blocks=[image(file_id)])) == "invalid_blocks"
    assert not fake.violations
    fake.clock.advance(5)
    assert (await probe.client.files_info(file=file_id))["file"]["mimetype"] == "image/png"
    posted = await post(channel=art.id, text="x", blocks=[image(file_id), actions(button("Refine", "refine"))])
    (message,) = art.messages
    (picture,) = message.pictures
    assert (picture.file, picture.alt_text, picture.file.data) == (file, "A cat", PNG.data)
    assert (file.alt_txt, file.title, file.shares) == ("A cat", "Cat", [(art, message.ts)])
    after = (await probe.client.files_info(file=file_id))["file"]
    assert after["shares"]["public"][art.id][0]["ts"] == posted["ts"]
    await probe.client.files_delete(file=file_id)
    assert await refusal(probe.client.files_info(file=file_id)) == "file_deleted"
    assert await refusal(post(channel=art.id, text="x", blocks=[image(file_id)])) == "invalid_blocks"


async def test_a_file_can_be_shared_while_it_is_uploaded(fake: FakeSlack, art: Channel, probe: Probe) -> None:
    secret = fake.channel("secret", private=True)
    fake.file_delay = 1
    root = await probe.client.chat_postMessage(channel=secret.id, text="root")
    file_id = await upload(probe.client, PNG.data, channel_id=secret.id, thread_ts=root["ts"], initial_comment="Look")
    assert len(secret.messages) == 1
    fake.clock.advance(1)
    await fake.until(lambda: len(secret.messages) == 2)
    message = secret.messages[1]
    assert ([file.id for file in message.files], message.text, message.thread_ts) == ([file_id], "Look", root["ts"])
    shares = (await probe.client.files_info(file=file_id))["file"]["shares"]
    assert shares["private"][secret.id][0]["thread_ts"] == root["ts"]
    elsewhere = fake.channel("elsewhere", member=False)
    assert await refusal(upload(probe.client, PNG.data, channel_id=elsewhere.id)) == "not_in_channel"
    assert await refusal(upload(probe.client, PNG.data, channel_id="#art")) == "channel_not_found"
    assert "'#art' is not a channel's ID" in told(fake)
    await probe.client.files_upload_v2(channel=secret.id, content=PNG.data, filename="dog.png", alt_txt="A dog")
    fake.clock.advance(1)
    await fake.until(lambda: len(secret.messages) == 3)
    (picture,) = secret.messages[2].pictures
    assert (picture.alt_text, picture.title, picture.file.data) == ("A dog", "dog.png", PNG.data)
    with pytest.raises(AssertionError):
        await upload(ShorterClient(probe.client), PNG.data)  # type: ignore[arg-type]
    assert "was announced" in told(fake)


class ShorterClient:
    """Announces too few bytes."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client

    async def files_getUploadURLExternal(self, *, length: int, **more: Any) -> Any:  # noqa: N802
        return await self._client.files_getUploadURLExternal(length=length - 1, **more)


async def test_whether_an_image_block_is_a_share_can_be_chosen(fake: FakeSlack, art: Channel, probe: Probe) -> None:
    fake.image_blocks_share = False
    file_id = await upload(probe.client, PNG.data)
    await probe.client.chat_postMessage(channel=art.id, text="x", blocks=[image(file_id)])
    assert (await probe.client.files_info(file=file_id))["file"]["shares"] == {}
    assert [file.id for file in art.messages[0].files] == [file_id]


async def test_it_is_noted_whom_a_message_rings_for(fake: FakeSlack, art: Channel, ada: Person, probe: Probe) -> None:
    post = probe.client.chat_postMessage
    await post(channel=art.id, text=f"<!channel> {ada.tag} @ada <!subteam^S1>")
    await post(channel=art.id, text="&lt;!here&gt; &lt;@U1&gt; @channel")
    await post(channel=art.id, text="x @ada @here", link_names=True)
    await post(channel=art.id, text="x", blocks=[section("@here"), section(f"{ada.tag} {fake.bot.tag}")])
    strict = {"type": "mrkdwn", "text": "@here @ada", "verbatim": True}
    await post(channel=art.id, text="x", blocks=[{"type": "section", "text": strict}])
    await post(channel=art.id, text="x", blocks=[{"type": "section", "text": plain("<!channel>")}])
    assert [message.pings for message in art.messages] == [
        ["Ada", "@channel", "@subteam"],
        [],
        ["Ada", "@here"],
        ["@here", "Ada"],
        [],
        [],
    ]


# Rules


async def test_an_unknown_method_is_a_violation() -> None:
    with pytest.raises(AssertionError, match=r"dnd.info: the fake does not know this method"):
        async with FakeSlack(MANIFEST) as fake:
            await refusal(AsyncWebClient(fake.bot_token, fake.api_url).dnd_info())


async def test_only_what_the_manifest_lists_is_granted(art: Channel, fake: FakeSlack, probe: Probe) -> None:
    manifest = copy.deepcopy(MANIFEST)
    manifest["oauth_config"]["scopes"]["bot"] = ["commands", "im:history"]
    manifest["settings"]["event_subscriptions"]["bot_events"] = ["message.im"]
    manifest["features"]["app_home"]["home_tab_enabled"] = False
    async with FakeSlack(manifest) as poor:
        client, eve = AsyncWebClient(poor.bot_token, poor.api_url), poor.person("Eve")
        with pytest.raises(SlackApiError) as caught:
            await client.users_info(user=eve.id)
        assert caught.value.response["error"] == "missing_scope"
        assert (caught.value.response["needed"], caught.value.response["provided"]) == (
            "users:read",
            "commands,im:history",
        )
        assert "users.info: the scope users:read is missing" in told(poor)
        assert not (await eve.mention(poor.channel("art"), "hello")).heard
        assert await refusal(client.views_publish(user_id=eve.id, view=modal())) == "not_enabled"
        assert "home tab" in told(poor)
        with pytest.raises(AssertionError, match="home tab"):
            await eve.opens_home()
    wrong = AsyncWebClient(fake.app_token, fake.api_url)
    assert await refusal(wrong.chat_postMessage(channel=art.id, text="x")) == "not_allowed_token_type"
    told(fake)
    assert await refusal(AsyncWebClient("xoxb-1", fake.api_url).auth_test()) == "invalid_auth"


async def test_a_manifest_must_fit_together() -> None:
    manifest = copy.deepcopy(MANIFEST)
    manifest["oauth_config"]["scopes"]["bot"] = []
    manifest["display_information"]["long_description"] = "short"
    breaches = "\n".join(FakeSlack(manifest).violations)
    assert "app_mention needs the scope app_mentions:read" in breaches
    assert "scope commands" in breaches
    assert "long description" in breaches


@needs_specs
async def test_arguments_and_blocks_are_checked_against_slacks_own_descriptions(
    fake: FakeSlack, art: Channel, probe: Probe
) -> None:
    client = probe.client
    call = client.api_call("chat.postMessage", json={"channel": art.id, "txt": "x", "text": "x"})
    assert await refusal(call) == "invalid_arguments"
    assert "there is no argument 'txt'" in told(fake)
    assert await refusal(client.api_call("chat.postMessage", json={"channel": 7})) == "invalid_arguments"
    assert "channel: 7 is not of type" in told(fake)
    assert await refusal(client.api_call("files.getUploadURLExternal", json={"length": 1})) == "invalid_arguments"
    assert "cannot come as JSON" in told(fake)
    bad = {"type": "button", "txt": plain("x"), "text": plain("x"), "action_id": "a"}
    assert await refusal(client.chat_postMessage(channel=art.id, text="x", blocks=[actions(bad)])) == "invalid_blocks"
    assert "txt" in told(fake)
    await client.chat_postMessage(channel=art.id, text="x", team_id=fake.team_id)
    manifest = copy.deepcopy(MANIFEST)
    manifest["features"]["slash_commands"][0]["colour"] = "red"
    assert "colour" in "\n".join(FakeSlack(manifest).violations)


async def test_limits_that_no_description_tells_are_kept(fake: FakeSlack, art: Channel, probe: Probe) -> None:
    file_id = await upload(probe.client, PNG.data)
    twice = actions(button("A", "same"), button("B", "same"))
    for form, rule in (
        ({"blocks": [actions(button("x" * 76, "a"))]}, "less than 76"),
        ({"blocks": [actions(button("x", "a", "v" * 2001))]}, "button.value"),
        ({"blocks": [section("x" * 3001)]}, "3000"),
        ({"blocks": [section("")]}, "more than 0 characters"),
        ({"blocks": [image(file_id, "x" * 2001)]}, "2000"),
        ({"blocks": [twice]}, "'same' stands there 2 times"),
        ({"blocks": [section("x")] * 51}, "50 are allowed"),
        ({"blocks": [actions(*(button("x", str(number)) for number in range(26)))]}, "25"),
        ({"text": ""}, "the message is empty"),
        ({"markdown_text": "x"}, "neither text nor blocks"),
    ):
        await refusal(probe.client.api_call("chat.postMessage", json={"channel": art.id, "text": "x"} | form))
        assert rule in told(fake)
    assert not art.messages
    posted = await probe.client.chat_postMessage(channel=art.id, text="y" * 40_001, blocks=[section("x")])
    assert len(art.messages[0].text) == 40_000
    update = probe.client.chat_update
    for more, code, rule in (
        ({"text": "x" * 4001, "blocks": []}, "msg_too_long", "4000 are allowed"),
        ({"text": "x"}, "invalid_arguments", "without them"),
    ):
        assert await refusal(update(channel=art.id, ts=posted["ts"], **more)) == code
        assert rule in told(fake)
    reply = await probe.client.chat_postMessage(channel=art.id, text="x", thread_ts=posted["ts"])
    await refusal(probe.client.chat_postMessage(channel=art.id, text="x", thread_ts=reply["ts"]))
    assert "a reply" in told(fake)


async def test_views_have_limits_of_their_own(fake: FakeSlack, art: Channel, ada: Person, probe: Probe) -> None:
    asked = await ada.command(art, "/silent")
    for change, rule in (
        ({"title": plain("x" * 25)}, "less than 25"),
        ({"private_metadata": "x" * 3001}, "less than 3001"),
        ({"submit": None}, "submit button"),
        ({"blocks": []}, "needs a block"),
    ):
        view: dict[str, Any] = {key: value for key, value in (modal() | change).items() if value is not None}
        call = probe.client.api_call("views.open", json={"trigger_id": asked.trigger_id, "view": view})
        assert await refusal(call) == "invalid_arguments"
        assert rule in told(fake)
    await probe.client.views_open(trigger_id=asked.trigger_id, view=modal())


# Mishaps


async def test_the_client_waits_where_it_is_told_to(fake: FakeSlack, art: Channel, probe: Probe) -> None:
    fake.limit("chat.postMessage", retry_after=0)
    await probe.client.chat_postMessage(channel=art.id, text="x")
    assert [request.status for request in fake.requests[-2:]] == [429, 200]
    assert len(art.messages) == 1


async def test_a_failure_can_hide_that_the_work_was_done(fake: FakeSlack, art: Channel) -> None:
    # slack_sdk's own first choice of retries, which posts a second time.
    client = AsyncWebClient(fake.bot_token, fake.api_url, retry_handlers=[AsyncConnectionErrorRetryHandler()])
    fake.fail("chat.postMessage", taken=True)
    await client.chat_postMessage(channel=art.id, text="x")
    assert len(art.messages) == 2
    careful = AsyncWebClient(fake.bot_token, fake.api_url, retry_handlers=[])
    fake.fail("chat.postMessage", taken=True)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await careful.chat_postMessage(channel=art.id, text="x")
    fake.fail("chat.postMessage", status=503, taken=True)
    with pytest.raises(SlackApiError) as caught:
        await careful.chat_postMessage(channel=art.id, text="x")
    assert caught.value.response.status_code == 503
    fake.fail("chat.postMessage", error="fatal_error", times=None)
    assert await refusal(careful.chat_postMessage(channel=art.id, text="x")) == "fatal_error"
    assert len(art.messages) == 4
    fake.heal()
    fake.delay("chat.postMessage", 0.1, times=1)
    waiting = asyncio.create_task(careful.chat_postMessage(channel=art.id, text="x"))
    await fake.until(lambda: len(art.messages) == 5)
    assert not waiting.done()
    await waiting
    with pytest.raises(AssertionError, match=r"has no chat\.post;"):
        fake.fail("chat.post")


@ways
async def test_what_is_not_acknowledged_in_time_has_failed(
    fake: FakeSlack, art: Channel, ada: Person, way: str
) -> None:
    async with both(fake, way):
        asked = await ada.command(art, "/silent")
        await fake.until(lambda: fake.requests)
        fake.clock.advance(3)
        await asked.until(lambda asked: asked.timed_out)
        assert not asked.acknowledged


@ways
async def test_events_are_repeated_and_say_so(fake: FakeSlack, art: Channel, ada: Person, way: str) -> None:
    async with both(fake, way) as probe:
        asked = await ada.mention(art, "hello")
        await asked.until(lambda asked: asked.acks == 1)
        await fake.repeat(asked)
        await asked.until(lambda asked: asked.acks == 2)
        await fake.until(lambda: len(probe.heard) == 2)
        command = await ada.command(art, "/generate", "x")
        await fake.repeat(command)
        await command.until(lambda command: command.acks == 2 and len(command.responses) == 2)
    # Over sockets, slack-bolt makes this header of the first attempt, too.
    assert probe.retries == ["0" if way == "socket" else None, "1"]
    assert probe.heard[0] == probe.heard[1]


async def test_events_are_sent_again_as_long_as_nobody_acknowledges_them(
    fake: FakeSlack, art: Channel, ada: Person, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    unheard: list[dict[str, Any]] = []
    send = probe.app.async_dispatch

    async def lose(request: Any) -> Any:
        unheard.append({key: value[0] for key, value in request.headers.items()})
        await asyncio.sleep(3600)
        return await send(request)

    monkeypatch.setattr(probe.app, "async_dispatch", lose)
    asked = await ada.mention(art, "hello")
    for count, seconds in ((1, 3), (2, 3 + 60), (3, 3 + 300)):
        await fake.until(lambda count=count: len(unheard) == count)  # type: ignore[misc]
        fake.clock.advance(3)
        await asyncio.sleep(0.05)
        fake.clock.advance(seconds - 3)
    await fake.until(lambda: len(unheard) == 4)
    fake.clock.advance(3)
    await asked.until(lambda asked: asked.error == "lost")
    assert [headers["x-slack-retry-num"] for headers in unheard] == ["0", "1", "2", "3"]
    assert unheard[1]["x-slack-retry-reason"] == "timeout"


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "link_disabled", None])
async def test_the_bot_connects_anew_when_slack_says_so(
    fake: FakeSlack, art: Channel, ada: Person, probe: Probe, reason: str | None
) -> None:
    await fake.disconnect(reason)
    if reason:
        asked = await ada.command(art, "/generate", "meanwhile")
        await asked.until(lambda asked: asked.responses, 8)
    await fake.until(lambda: fake.connections >= 2, 8)
    await fake.connected()
    again = await ada.mention(art, "still there?")
    await again.until(lambda again: again.acknowledged)


async def test_events_wait_while_the_bot_is_cut_off_and_commands_fail(
    fake: FakeSlack, art: Channel, ada: Person, probe: Probe
) -> None:
    async with fake.cut_off():
        asked = await ada.mention(art, "while you were away")
        command = await ada.command(art, "/generate", "x")
        assert command.error == "dispatch_failed"
    await asked.until(lambda asked: asked.acknowledged, 8)
    await fake.until(lambda: probe.heard)
    assert probe.retries == ["1"]
    assert not command.acknowledged


async def test_the_url_for_events_proves_itself_and_trusts_nobody_else(
    fake: FakeSlack, art: Channel, ada: Person
) -> None:
    async with over_http(fake) as probe:
        assert await fake.verify_url()
        fake.forge(secret="somebody else's")
        wrong = await ada.command(art, "/generate", "x")
        await wrong.until(lambda wrong: wrong.error)
        fake.forge(age=301)
        old = await ada.mention(art, "x")
        await old.until(lambda old: old.http_status)
        assert (wrong.http_status, wrong.error, old.http_status) == (401, "dispatch_failed", 401)
        await old.until(lambda old: old.acknowledged)
    assert probe.retries == ["1"]


async def test_another_workspace_of_the_organisation(fake: FakeSlack, probe: Probe) -> None:
    there = fake.workspace("Elsewhere")
    eve, lobby = fake.person("Eve", team=there), fake.channel("lobby", team=there)
    asked = await eve.command(lobby, "/generate", "x")
    await asked.until(lambda asked: asked.responses)
    assert asked.payload["team_id"] == there.id != fake.team_id


@pytest.mark.slow
async def test_a_bot_that_is_killed_comes_back_to_what_it_left(fake: FakeSlack, art: Channel, ada: Person) -> None:
    async def start() -> asyncio.subprocess.Process:
        args = ("-m", "tests.fakes.slack.probe", fake.api_url, fake.bot_token, fake.app_token)
        process = await asyncio.create_subprocess_exec(sys.executable, *args)
        await fake.until(lambda: fake.sockets.ready, 30)
        return process

    process = await start()
    first = await ada.mention(art, "one")
    await first.until(lambda first: first.acknowledged and len(art.messages) == 2)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    await fake.until(lambda: not fake.sockets.ready)
    second = await ada.mention(art, "two")
    process = await start()
    await second.until(lambda second: second.acknowledged and len(art.messages) == 4)
    process.terminate()
    await process.wait()
    assert [message.text for message in art.messages][1::2] == ["Here you are.", "Here you are."]


async def test_it_starts_at_once() -> None:
    before = time.perf_counter()
    async with FakeSlack(MANIFEST):
        assert time.perf_counter() - before < 0.1


async def test_a_wait_in_vain_tells_what_happened_last(fake: FakeSlack, art: Channel, probe: Probe) -> None:
    await probe.client.chat_postMessage(channel=art.id, text="a cat")
    with pytest.raises(AssertionError, match=r"chat.postMessage -> 200: .*a cat"):
        await fake.until(lambda: False, 0.01)
