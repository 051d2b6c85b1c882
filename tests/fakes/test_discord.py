"""The fake Discord, driven by a small bot on the real discord.py."""

import asyncio
import io
from collections.abc import AsyncIterator

import aiohttp
import discord
import pytest

from tests.fakes.discord import Channel, FakeDiscord, FakeMessage, Guild, Person, Upload, spec
from tests.fakes.discord.probe import INTENTS, Gallery, Probe, button, pointed_at, running
from tests.fakes.executor import png

MESSAGES, MESSAGE = "/channels/{channel_id}/messages", "/channels/{channel_id}/messages/{message_id}"
CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"
NOBODY = discord.AllowedMentions.none()
PNG = Upload("cat.png", "image/png", png((4, 2)))


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord(checks_itself=True) as fake:
        yield fake


@pytest.fixture
def guild(fake: FakeDiscord) -> Guild:
    return fake.guild("Studio")


@pytest.fixture
def art(guild: Guild) -> Channel:
    return guild.channel("art")


@pytest.fixture
def ada(fake: FakeDiscord) -> Person:
    return fake.person("Ada", locale="de")


@pytest.fixture
async def probe(fake: FakeDiscord, art: Channel) -> AsyncIterator[Probe]:
    async with running(fake) as probe:
        yield probe


def picture(size: int = 10, name: str = "cat.png") -> discord.File:
    return discord.File(io.BytesIO(bytes(size)), name, description="A cat")


async def post(
    probe: Probe, channel: Channel, content: str = "a cat", **more: object
) -> tuple[discord.Message, FakeMessage]:
    """Both sides of a message of the bot."""
    message = await probe.channel(channel.id).send(content, **more)  # type: ignore[call-overload]
    return message, channel.record[-1]


async def refusal(work: object) -> tuple[int, int]:
    """HTTP status and Discord's code."""
    with pytest.raises(discord.HTTPException) as caught:
        await work  # type: ignore[misc]
    return caught.value.status, caught.value.code


# Login and commands


async def test_a_bot_logs_in_and_registers_its_commands(fake: FakeDiscord, probe: Probe) -> None:
    assert probe.user
    assert probe.user.id == probe.application_id == fake.bot.id
    assert {command["name"] for command in fake.commands.all()} >= {"generate", "Refine image", "limner"}
    assert (fake.connections, fake.identifies, fake.resumes) == (1, 1, 0)
    assert [guild.name for guild in probe.guilds] == ["Studio"]


async def test_a_wrong_token_gets_nowhere(fake: FakeDiscord) -> None:
    with pointed_at(fake):
        async with Probe() as probe:
            with pytest.raises(discord.LoginFailure):
                await probe.start("another")


async def test_privileged_intents_are_refused(fake: FakeDiscord) -> None:
    with pointed_at(fake):
        async with Probe(INTENTS | discord.Intents(message_content=True)) as greedy:
            with pytest.raises(discord.PrivilegedIntentsRequired):
                await greedy.start(fake.token)
    assert fake.violations.pop() == "IDENTIFY asks for privileged intents: ['message_content']."


async def test_each_shard_hears_of_its_own_guilds() -> None:
    async with FakeDiscord(shards=2) as fake:
        guilds = [fake.guild(f"Studio {number}") for number in range(4)]
        async with running(fake) as probe:
            assert probe.shard_count == fake.identifies == 2
            assert {guild.id for guild in probe.guilds} == {guild.id for guild in guilds}


async def test_a_command_that_breaks_rules_is_refused(fake: FakeDiscord, probe: Probe) -> None:
    probe.tree.clear_commands(guild=None)

    @probe.tree.command(name="shout", description="x")
    async def shout(interaction: discord.Interaction, aa: str) -> None: ...

    shout._params["aa"].description = "x" * 101
    assert await refusal(probe.tree.sync()) == (400, 50035)
    assert "100 characters" in fake.violations[0]
    fake.violations.clear()


async def test_a_person_can_only_ask_for_what_is_there(art: Channel, ada: Person, probe: Probe) -> None:
    with pytest.raises(AssertionError, match="No SLASH command 'paint'"):
        await ada.command(art, "paint")
    with pytest.raises(AssertionError, match=r"needs \['prompt'\]"):
        await ada.command(art, "generate")
    with pytest.raises(AssertionError, match="no option 'colour'"):
        await ada.command(art, "generate", prompt="x", colour="red")
    with pytest.raises(AssertionError, match="more than 4"):
        await ada.command(art, "generate", prompt="x", images=5)
    with pytest.raises(AssertionError, match="alone cannot be used"):
        await ada.command(art, "limner")


async def test_a_command_for_moderators_is_offered_to_them_alone(
    fake: FakeDiscord, guild: Guild, art: Channel, ada: Person, probe: Probe
) -> None:
    bob = fake.person("Bob")
    with pytest.raises(AssertionError, match="Ada cannot use 'block'"):
        await ada.command(art, "block", person=bob, where=art)
    with pytest.raises(AssertionError, match="its contexts"):
        await ada.command(fake.dm(ada), "block", person=bob, where=art)
    guild.join(bob)
    guild.join(ada, manage_guild=True)
    asked = await ada.command(art, "block", person=bob, where=art)
    await asked.until(lambda asked: asked.text == "Bob in art")
    assert probe.interactions[-1].permissions.manage_guild


# Interactions


async def test_the_first_follow_up_takes_the_place_of_a_promised_answer(
    fake: FakeDiscord, art: Channel, ada: Person, probe: Probe
) -> None:
    asked = await ada.command(art, "generate", prompt="a cat", images=2, source=PNG)
    await asked.until(lambda asked: asked.text)
    assert asked.text == f"2 x a cat, {len(PNG.data)} bytes, {10 * 2**20}"
    assert asked.original
    assert asked.original.ephemeral
    assert (asked.acknowledged, asked.callback_type, asked.followups, art.messages) == (True, 5, [], [])
    assert asked.ack_seconds is not None
    assert 0 <= asked.ack_seconds < 3
    interaction = probe.interactions[-1]
    assert interaction.locale is discord.Locale.german
    assert interaction.app_permissions.attach_files
    assert isinstance(interaction.channel, discord.TextChannel)


async def test_a_modal_goes_out_and_comes_back_filled_in(art: Channel, ada: Person, probe: Probe) -> None:
    asked = await ada.command(art, "refine", image="img1")
    sent = await ada.submit(asked, {"prompt": "a dog"})
    await sent.until(lambda sent: sent.text == "['a dog', 'Oil', False]")
    asked = await ada.command(art, "refine", image="img1")
    sent = await ada.submit(asked, {"style": "Ink", "exact": True, "source": [PNG]})
    await sent.until(lambda sent: sent.text == f"['a cat', 'Ink', True, {len(PNG.data)}]")
    with pytest.raises(AssertionError, match="has no fields"):
        await ada.submit(asked, {"strength": "1"})
    with pytest.raises(AssertionError, match="takes 1 to 100"):
        await ada.submit(asked, {"prompt": ""})


async def test_a_dynamic_button_is_clicked(fake: FakeDiscord, art: Channel, ada: Person, probe: Probe) -> None:
    asked = await ada.command(art, "limner help")
    await asked.until(lambda asked: asked.original)
    [message] = art.messages
    assert message.custom_ids == [message.button("Refine")] == ["refine:img1"]
    clicked = await ada.click(message, "Refine")
    await clicked.until(lambda clicked: clicked.acknowledged)
    assert (message.content, message.components, message.edits) == ("refining img1", [], 1)
    assert clicked.original is message


async def test_a_message_of_the_second_version_has_only_components(
    fake: FakeDiscord, art: Channel, ada: Person, probe: Probe
) -> None:
    await probe.channel(art.id).send(view=Gallery(), file=picture(name="cat.png"))
    [message] = art.messages
    assert (message.content, message.text, message.labels) == ("", "A cat", ["Refine"])
    seen = await probe.channel(art.id).fetch_message(message.id)
    gallery = seen.components[1]
    assert isinstance(gallery, discord.MediaGalleryComponent)
    assert gallery.items[0].media.url == message.attachments[0].url
    clicked = await ada.click(message, "Refine")
    assert clicked.data == {"component_type": 2, "custom_id": "refine:img1", "id": 4}
    # The bot wants to write content now.
    await fake.until(lambda: fake.violations)
    assert "IS_COMPONENTS_V2 goes with neither content nor embeds" in fake.violations[0]
    fake.violations.clear()


async def test_choices_are_offered_while_a_person_types(art: Channel, ada: Person, probe: Probe) -> None:
    assert await ada.complete(art, "refine", "image", "ca") == [{"name": "cat", "value": "img1"}]


async def test_a_message_command_sees_what_the_message_says(art: Channel, ada: Person, probe: Probe) -> None:
    message = await ada.say(art, "look at this")
    asked = await ada.menu(art, "Refine image", message)
    await asked.until(lambda asked: asked.text == "refining 'look at this'")
    assert asked.original
    assert asked.original not in art.record


async def test_an_interaction_waits_three_seconds_and_takes_one_answer(
    fake: FakeDiscord, art: Channel, ada: Person, probe: Probe
) -> None:
    asked = await ada.command(art, "silent")
    await fake.until(lambda: probe.interactions)
    interaction = probe.interactions[-1]
    assert await refusal(interaction.edit_original_response(content="x")) == (404, 10015)
    fake.clock.advance(3)
    assert await refusal(interaction.response.defer()) == (404, 10062)
    assert not asked.acknowledged
    again = await ada.command(art, "silent")
    await fake.until(lambda: len(probe.interactions) == 2)
    await probe.interactions[-1].response.defer()
    assert again.promised
    await fake.repeat(again)
    await fake.until(lambda: len(probe.interactions) == 3)
    assert await refusal(probe.interactions[-1].response.defer()) == (400, 40060)


async def test_an_interactions_token_lives_fifteen_minutes(
    fake: FakeDiscord, art: Channel, ada: Person, probe: Probe
) -> None:
    asked = await ada.command(art, "limner help")
    await asked.until(lambda asked: asked.original)
    interaction = probe.interactions[-1]
    extra = await interaction.followup.send("more", wait=True)
    await extra.edit(content="still more")
    assert [one.content for one in asked.answers] == ["So it goes.", "still more"]
    assert [one.content for one in art.messages] == ["So it goes.", "still more"]
    fake.clock.advance(15 * 60)
    assert await refusal(interaction.edit_original_response(content="x")) == (401, 50027)
    assert await refusal(interaction.followup.send("x")) == (401, 50027)


async def test_an_answer_can_be_edited_with_files_and_deleted(art: Channel, ada: Person, probe: Probe) -> None:
    asked = await ada.command(art, "limner help")
    await asked.until(lambda asked: asked.original)
    interaction = probe.interactions[-1]
    await interaction.edit_original_response(content="see", attachments=[picture()])
    assert asked.original
    assert [one.filename for one in asked.original.attachments] == ["cat.png"]
    assert await interaction.original_response()
    await interaction.delete_original_response()
    assert asked.original.deleted
    assert await refusal(interaction.edit_original_response(content="x")) == (404, 10008)


async def test_an_answer_must_fit_its_question(fake: FakeDiscord, art: Channel, ada: Person, probe: Probe) -> None:
    asked = await ada.command(art, "refine", image="img1")
    await asked.until(lambda asked: asked.modal)
    command = await ada.command(art, "silent")
    async with aiohttp.ClientSession() as session:
        url = f"{fake.api_url}/interactions/{command.id}/{command.token}/callback"
        async with session.post(url, json={"type": 6}) as response:
            assert response.status == 400
    assert "an answer of type 6 does not fit a COMMAND" in fake.violations.pop()


async def test_a_person_brings_the_bot_along_to_where_it_is_not(fake: FakeDiscord, ada: Person, probe: Probe) -> None:
    elsewhere = fake.foreign_guild("Elsewhere")
    lobby, group = elsewhere.channel("lobby"), fake.group_dm(ada, fake.person("Bob"))
    with pytest.raises(AssertionError, match="the bot is not there"):
        await ada.command(lobby, "silent")
    for place, context in ((lobby, 0), (group, 2)):
        asked = await ada.command(place, "anywhere")
        await asked.until(lambda asked: asked.text)
        assert asked.text == f"[{context}] True"
        assert asked.original
        assert not asked.original.ephemeral
    assert await refusal(probe.channel(lobby.id).send("x")) == (403, 50001)
    followup = probe.interactions[-1].followup
    for number in range(5):
        await followup.send(str(number))
    assert await refusal(followup.send("x")) == (400, 40094)
    elsewhere.forbid_external_apps()
    asked = await ada.command(lobby, "anywhere")
    await asked.until(lambda asked: asked.original and asked.original.ephemeral)


@pytest.mark.slow
async def test_two_hundred_commands_at_once_are_all_answered(
    fake: FakeDiscord, art: Channel, ada: Person, probe: Probe
) -> None:
    asked = await asyncio.gather(*(ada.command(art, "generate", prompt=str(number)) for number in range(200)))
    await fake.until(lambda: all(one.text for one in asked), 20)
    assert max(one.ack_seconds or 9 for one in asked) < 3


# Messages


async def test_content_is_told_only_where_the_bot_may_read(
    fake: FakeDiscord, art: Channel, ada: Person, probe: Probe
) -> None:
    _, mine = await post(probe, art)
    answer = await ada.command(art, "limner help")
    await answer.until(lambda answer: answer.original)
    assert answer.original
    await ada.say(art, "psst")
    await ada.say(art, "<@bot> a dog", uploads=[PNG])
    await ada.say(art, "more", reply_to=mine)
    await ada.say(art, "no ping", reply_to=mine, ping=False)
    await ada.say(art, "not a message of its own", reply_to=answer.original)
    await ada.say(fake.dm(ada), "in private")
    await fake.until(lambda: len(probe.heard) == 6)
    told = [message.content for message in probe.heard]
    assert told == ["", f"{fake.bot.mention} a dog", "more", "", "", "in private"]
    assert probe.heard[1].attachments[0].width == 4
    assert await probe.heard[1].attachments[0].read() == PNG.data
    replied = probe.heard[3].reference
    assert replied
    assert isinstance(replied.resolved, discord.Message)
    assert replied.resolved.content == "a cat"
    history = [message.content async for message in probe.channel(art.id).history(limit=2, oldest_first=False)]
    assert history == ["", ""]


async def test_permissions_are_discords(fake: FakeDiscord, guild: Guild, ada: Person, probe: Probe) -> None:
    secret, quiet = guild.channel("secret", private=True), guild.channel("quiet", deny=["send_messages"])
    assert await refusal(post(probe, quiet)) == (403, 50013)
    message, _ = await post(probe, secret)
    thread = secret.thread("talk")
    await post(probe, thread)
    secret.deny("send_messages_in_threads", "attach_files", "embed_links", "read_message_history")
    assert await refusal(post(probe, thread)) == (403, 50013)
    assert await refusal(post(probe, secret, file=picture())) == (403, 50013)
    assert await refusal(post(probe, secret, embed=discord.Embed(title="x"))) == (403, 50013)
    assert await refusal(message.reply("x")) == (403, 160002)
    assert await refusal(message.fetch()) == (403, 50013)
    secret.allow("embed_links")
    await post(probe, secret, embed=discord.Embed(title="x"))
    secret.deny("view_channel")
    assert await refusal(message.edit(content="x")) == (403, 50001)
    known = probe.get_channel(secret.id)
    assert isinstance(known, discord.TextChannel)
    await fake.until(lambda: not known.permissions_for(known.guild.me).view_channel)
    assert not known.permissions_for(known.guild.default_role).view_channel


async def test_what_is_gone_is_unknown(
    fake: FakeDiscord, guild: Guild, art: Channel, ada: Person, probe: Probe
) -> None:
    message, mine = await post(probe, art)
    theirs = await ada.say(art, "x")
    assert await refusal(probe.channel(art.id).get_partial_message(theirs.id).delete()) == (403, 50013)
    assert await refusal(probe.channel(art.id).get_partial_message(theirs.id).edit(content="x")) == (403, 50005)
    mine.remove()
    assert await refusal(message.edit(content="x")) == (404, 10008)
    other = guild.channel("other")
    other.delete()
    assert await refusal(post(probe, other)) == (404, 10003)
    guild.kick_bot()
    assert await refusal(post(probe, art)) == (403, 50001)
    await fake.until(lambda: not probe.guilds)


async def test_a_person_can_close_their_direct_messages(fake: FakeDiscord, ada: Person, probe: Probe) -> None:
    user = await probe.fetch_user(ada.id)
    await user.send("hello")
    assert [message.content for message in fake.dm(ada).messages] == ["hello"]
    ada.closes_dms = True
    assert await refusal(user.send("hello")) == (403, 50007)


async def test_files_may_be_as_large_as_the_place_allows(fake: FakeDiscord, probe: Probe) -> None:
    small = fake.guild("Small", size_limit=100).channel("art")
    _, message = await post(probe, small, file=picture(100))
    assert (message.attachments[0].description, len(message.attachments[0].data)) == ("A cat", 100)
    assert await refusal(post(probe, small, file=picture(101))) == (413, 40005)
    large = fake.guild("Large", tier=2).channel("art")
    assert large.size_limit == 50 * 2**20
    fake.request_limit = 2000
    assert await refusal(post(probe, large, files=[picture(900), picture(1000)])) == (413, 40005)


async def test_an_edit_keeps_only_the_files_that_it_lists(art: Channel, probe: Probe) -> None:
    message, kept = await post(probe, art, files=[picture(name="a.png"), picture(name="b.png")])
    await message.edit(attachments=[message.attachments[1], picture(name="c.png")])
    assert [one.filename for one in kept.attachments] == ["b.png", "c.png"]
    await message.edit(content="done")
    assert [entry[1:] for entry in kept.history] == [("a cat", 2), ("a cat", 2), ("done", 2)]


async def test_a_nonce_makes_one_message_of_two_attempts(fake: FakeDiscord, art: Channel, probe: Probe) -> None:
    first, _ = await post(probe, art, nonce="n1")
    again, _ = await post(probe, art, nonce="n1")
    assert (first.id, first.nonce) == (again.id, again.nonce)
    assert len(art.messages) == 1
    assert (await first.fetch()).nonce is None
    fake.clock.advance(5 * 60)
    await post(probe, art, nonce="n1")
    assert len(art.messages) == 2
    assert await refusal(post(probe, art, nonce="n" * 26)) == (400, 50035)
    assert "n" * 26 in fake.violations.pop(0)
    fake.violations.clear()


async def test_an_old_message_can_be_edited_three_times(fake: FakeDiscord, art: Channel, probe: Probe) -> None:
    message, kept = await post(probe, art)
    fake.clock.advance(3601)
    for number in range(3):
        await message.edit(content=str(number))
    assert await refusal(message.edit(content="x")) == (429, 30046)
    assert kept.edits == 3


async def test_it_is_noted_whom_a_message_rings_for(fake: FakeDiscord, art: Channel, ada: Person, probe: Probe) -> None:
    theirs = await ada.say(art, "x")
    loud = f"@everyone {ada.mention} <@&{art.guild.id if art.guild else 0}>"
    _, message = await post(probe, art, loud)
    assert message.pings == ["Ada", "@everyone", "@@everyone"]
    _, message = await post(probe, art, loud, allowed_mentions=NOBODY)
    assert (message.pings, message.allowed_mentions) == ([], {"parse": []})
    partial = probe.channel(art.id).get_partial_message(theirs.id)
    _, message = await post(probe, art, "x", reference=partial)
    assert (message.pings, message.reply_to) == (["Ada"], theirs)
    _, message = await post(probe, art, "x", reference=partial, mention_author=False)
    assert message.pings == []


async def test_links_of_files_expire(fake: FakeDiscord, art: Channel, probe: Probe) -> None:
    message, kept = await post(probe, art, file=picture(10))
    assert await message.attachments[0].read() == kept.attachments[0].data
    fake.clock.advance(25 * 3600)
    with pytest.raises(discord.NotFound):
        await message.attachments[0].read()


# Rules


async def test_an_unknown_route_is_a_violation() -> None:
    with pytest.raises(AssertionError, match="GET /api/v10/stickers/1: the fake does not know this route"):
        async with FakeDiscord() as fake, running(fake) as probe:
            await refusal(probe.fetch_sticker(1))


@pytest.mark.skipif(spec.load() is None, reason="Discord's OpenAPI document is not beside the project")
async def test_requests_are_checked_against_discords_own_spec(fake: FakeDiscord, art: Channel, probe: Probe) -> None:
    row = {"type": 1, "components": [{"type": 2, "style": 1, "labl": "Go", "label": "x" * 81, "custom_id": "go"}]}
    route = discord.http.Route("POST", MESSAGES, channel_id=art.id)
    assert await refusal(probe.http.request(route, json={"contents": "x", "components": [row]})) == (400, 50035)
    assert len(fake.violations) == 3
    told = "\n".join(fake.violations)
    assert all(word in told for word in ("contents", "components.0.components.0", "labl", "label"))
    fake.violations.clear()


async def test_rules_that_the_spec_does_not_tell_are_kept(fake: FakeDiscord, art: Channel, probe: Probe) -> None:
    twice = button("1").add_item(discord.ui.Button(label="Again", custom_id="refine:1"))
    image = discord.Embed().set_image(url="attachment://nowhere.png")
    long = [discord.Embed(description="x" * 4000), discord.Embed(description="x" * 2001)]
    for form, rule in (
        ({"content": "x" * 2001}, "2000 are allowed"),
        ({"view": twice}, "'refine:1' stands there 2 times"),
        ({"embeds": long}, "6001 characters together"),
        ({"embed": image}, "names no file"),
        ({"content": ""}, "the message is empty"),
    ):
        await refusal(post(probe, art, **({"content": "x"} | form)))
        assert rule in fake.violations.pop()
    assert not art.messages


# Mishaps


async def test_the_client_waits_where_it_is_told_to(fake: FakeDiscord, art: Channel, probe: Probe) -> None:
    fake.limit("POST", MESSAGES, times=2, retry_after=0.05)
    await post(probe, art)
    assert [request.status for request in fake.requests[-3:]] == [429, 429, 200]
    assert len(art.messages) == 1


async def test_a_failure_can_hide_that_the_work_was_done(fake: FakeDiscord, art: Channel, probe: Probe) -> None:
    fake.fail("POST", MESSAGES, status=503, taken=True)
    assert await refusal(post(probe, art)) == (503, 0)
    fake.fail("POST", MESSAGES, status=None, taken=True)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await post(probe, art)
    fake.fail("POST", MESSAGES, status=403, code=50013)
    assert await refusal(post(probe, art)) == (403, 50013)
    assert len(art.messages) == 2
    fake.delay("POST", MESSAGES, 0.1, times=1)
    waiting = asyncio.create_task(post(probe, art))
    await fake.until(lambda: len(art.messages) == 3)
    assert not waiting.done()
    await waiting


async def test_what_happened_meanwhile_is_told_to_a_bot_that_resumes(
    fake: FakeDiscord, art: Channel, ada: Person, probe: Probe
) -> None:
    await fake.disconnect()
    await fake.until(lambda: fake.resumes == 1)
    async with fake.cut_off():
        await ada.say(art, "<@bot> while you were away")
        asked = await ada.command(art, "generate", prompt="x")
    await asked.until(lambda asked: asked.text)
    assert [message.content for message in probe.heard] == [f"{fake.bot.mention} while you were away"]
    assert (fake.identifies, fake.resumes) == (1, 2)


async def test_a_lost_session_begins_anew(fake: FakeDiscord, art: Channel, ada: Person, probe: Probe) -> None:
    async with fake.cut_off(resumable=False):
        await ada.say(art, "<@bot> lost")
    await fake.until(lambda: fake.identifies == 2)
    await fake.connected()
    await ada.say(art, "<@bot> found")
    await fake.until(lambda: probe.heard)
    assert [message.content for message in probe.heard] == [f"{fake.bot.mention} found"]


async def test_a_wait_in_vain_tells_what_happened_last(fake: FakeDiscord, art: Channel, probe: Probe) -> None:
    await post(probe, art)
    with pytest.raises(AssertionError, match=r"POST /api/v10/channels/.*a cat"):
        await fake.until(lambda: False, 0.01)
