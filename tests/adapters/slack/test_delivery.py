"""What Slack, the network and restarts may do to a delivery: each job's ending is told, and once."""

import json

import pytest

from adapters.slack import uploads
from bot.errors import JobFailed
from storage.deliveries import Deliveries
from tests.adapters.discord.delivering import Refusing
from tests.adapters.slack.conftest import TEMPO, StartBot
from tests.adapters.slack.watching import LACONIC, Rows, finished, paint, requests, settled, shown_in
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeMessage, FakeSlack, Person

RESTARTING = "Limner restarts; your place is kept."


def waiting() -> FakeExecutor:
    return FakeExecutor(ready=False)


async def only_message(slack: FakeSlack, channel: Channel, text: str = "") -> FakeMessage:
    """The one message that ever was there, once it says this."""
    await slack.until(lambda: channel.messages and text in channel.messages[-1].shown, waiting=text)
    (message,) = channel.record
    return message


async def check_delivered_once(
    slack: FakeSlack, channel: Channel, rows: Rows, *, images: int = 1, files: int | None = None
) -> FakeMessage:
    """In the only message that ever was there."""
    await settled(slack, rows, ["delivered"])
    (message,) = channel.record
    assert len(message.pictures) == images
    assert len(slack.files) == (images if files is None else files)
    assert set(rows.shown().values()) == {message.ts}
    return message


# As it should be


async def test_a_file_is_shown_once_slack_has_processed_it(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    slack.file_delay = 0.25
    async with bot():
        await ada.command(art, "/generate", "a cat in a hat")
        message = await check_delivered_once(slack, art, rows)

    (upload,) = requests(slack, "files.completeUploadExternal")
    assert not {"channel_id", "channels"} & upload.args.keys()
    assert len(requests(slack, "files.info")) > 1
    (picture,) = message.pictures
    assert "a cat in a hat" in picture.alt_text
    assert message.contents.shared == ()
    assert [request.error for request in requests(slack, "chat.update") if request.error] == []


async def test_a_job_has_one_message_from_its_acceptance_to_its_images(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    executor = waiting()
    async with bot(executor):
        await ada.command(art, "/generate", "a cat --images 3")
        message = await only_message(slack, art, "Next in line")
        executor.become_ready()
        assert await check_delivered_once(slack, art, rows, images=3) is message

    assert len(requests(slack, "chat.postMessage")) == 1


# Mishaps on the way


@pytest.mark.parametrize(
    "method",
    ["chat.postMessage", "chat.update", "files.getUploadURLExternal", "upload", "files.completeUploadExternal"],
)
@pytest.mark.parametrize("status", [503, 500], ids=str)
async def test_what_slack_does_not_do_now_is_tried_again(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, method: str, status: int
) -> None:
    async with bot(tempo=LACONIC if method == "chat.update" else TEMPO):
        slack.fail(method, status=status, times=3)
        await ada.command(art, "/generate", "a cat")
        await settled(slack, rows, ["delivered"])

    assert len(requests(slack, method)) >= 4
    (message,) = art.record
    assert len(message.pictures) == 1


@pytest.mark.parametrize("error", ["internal_error", "fatal_error", "token_revoked", "account_inactive"])
async def test_what_is_no_fault_of_the_job_stays_owed(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, error: str
) -> None:
    async with bot(tempo=LACONIC):
        slack.fail("chat.update", error=error, times=3)
        await ada.command(art, "/generate", "a cat")
        await check_delivered_once(slack, art, rows)


@pytest.mark.slow
async def test_slack_is_left_alone_for_as_long_as_it_says(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(tempo=LACONIC):
        slack.limit("chat.update", retry_after=1)
        await ada.command(art, "/generate", "a cat")
        await check_delivered_once(slack, art, rows)

    first, second = requests(slack, "chat.update")
    assert second.time - first.time >= 1


async def test_a_lost_answer_to_the_last_edit_changes_nothing(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(tempo=LACONIC):
        slack.fail("chat.update", taken=True, times=2)
        await ada.command(art, "/generate", "a cat")
        await check_delivered_once(slack, art, rows)


@pytest.mark.parametrize("share", [False, True])
async def test_a_lost_answer_to_the_post_at_the_ending_shows_no_image_twice(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, share: bool
) -> None:
    slack.image_blocks_share = share
    executor = FakeExecutor()
    executor.hold()
    async with bot(executor):
        slack.fail("chat.postMessage", status=503, times=None)
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: executor.works and requests(slack, "chat.postMessage"))
        executor.release()
        await slack.until(lambda: rows.statuses() == ["done"])
        tries = len(requests(slack, "chat.postMessage"))
        # The one that is under way may still tell of the painting.
        await slack.until(lambda: len(requests(slack, "chat.postMessage")) >= tries + 2)
        slack.heal()
        slack.fail("chat.postMessage", taken=True)
        await settled(slack, rows, ["delivered"])

    left_behind, shown = art.record
    assert "The picture comes in a moment." in left_behind.shown
    assert left_behind.files == []
    assert set(rows.shown().values()) == {shown.ts}
    assert len(shown.pictures) == len(slack.files) == 1


@pytest.mark.parametrize("direct", [False, True], ids=["in a channel", "privately"])
async def test_a_lost_answer_to_an_upload_is_no_lost_picture(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, direct: bool
) -> None:
    async with bot():
        slack.fail("files.completeUploadExternal", taken=True)
        await ada.command(art, "/generate", "a cat" + " --private" * direct)
        await settled(slack, rows, ["delivered"])

    (message,) = finished(slack.dm(ada) if direct else art)
    assert len(message.pictures) == 1


# Closed ways


async def test_a_deleted_message_is_made_up_for_by_a_direct_one_that_says_why(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    executor = waiting()
    async with bot(executor):
        await ada.command(art, "/generate", "a cat")
        message = await only_message(slack, art, "Next in line")
        message.remove()
        executor.become_ready()
        await settled(slack, rows, ["delivered"])

    (direct,) = finished(slack.dm(ada))
    assert f"The message in {art.tag} that was to show your picture is gone" in direct.shown
    assert art.messages == []
    assert set(rows.shown().values()) == {direct.ts}


@pytest.mark.parametrize(
    ("way", "part"), [("kicked", "I may no longer post in"), ("archived", "The channel in which you asked is gone")]
)
async def test_a_channel_that_closes_meanwhile_is_made_up_for_too(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, way: str, part: str
) -> None:
    executor = waiting()
    async with bot(executor):
        await ada.command(art, "/generate", "a cat")
        await only_message(slack, art, "Next in line")
        if way == "kicked":
            art.kick_bot()
        else:
            art.archive()
        executor.become_ready()
        await settled(slack, rows, ["delivered"])

    (direct,) = finished(slack.dm(ada))
    assert part in direct.shown


async def test_a_failure_finds_its_way_too(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    executor = waiting()
    executor.fail_next(JobFailed("out_of_memory", "CUDA out of memory"))
    async with bot(executor):
        await ada.command(art, "/generate", "a cat")
        await only_message(slack, art, "Next in line")
        art.kick_bot()
        executor.become_ready()
        await settled(slack, rows, ["delivered"])

    assert "This could not be painted." in slack.dm(ada).messages[-1].shown


async def test_nobody_is_tried_for_ever_who_cannot_be_reached(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    executor = waiting()
    async with bot(executor):
        await ada.command(art, "/generate", "a cat")
        await only_message(slack, art, "Next in line")
        art.kick_bot()
        slack.fail("conversations.open", error="user_disabled", times=None)
        executor.become_ready()
        await settled(slack, rows, ["failed"])


async def test_a_workspace_without_room_is_told(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        slack.fail("files.completeUploadExternal", error="storage_limit_reached", times=None)
        await ada.command(art, "/generate", "a cat")
        await settled(slack, rows, ["delivered"])

    (message,) = art.record
    assert "no room for files left" in message.shown
    assert message.pictures == []


async def test_a_picture_that_slack_does_not_take_leaves_the_others_of_its_set(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        slack.fail("files.completeUploadExternal", error="file_upload_size_restricted")
        await ada.command(art, "/generate", "a cat --images 2")
        await settled(slack, rows, ["delivered"])

    (message,) = art.record
    assert "Image 1 could not be shown here" in message.shown
    assert len(message.pictures) == 1


# Restarts


async def test_a_waiting_job_is_told_of_the_restart_and_keeps_its_message(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(waiting()):
        await ada.command(art, "/generate", "a cat")
        message = await only_message(slack, art, "Next in line")
        await slack.until(lambda: rows.notes() != [""])
    async with bot():
        assert await check_delivered_once(slack, art, rows) is message


async def test_a_job_that_was_being_painted_is_painted_anew_into_the_same_message(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2)
    async with bot(executor):
        await ada.command(art, "/generate", "a cat --steps 3")
        message = await only_message(slack, art, "Step 1 of 3")
    async with bot():
        assert await check_delivered_once(slack, art, rows) is message


@pytest.mark.parametrize("ending", ["done", "failed"])
async def test_an_ending_that_was_not_told_is_told_after_the_restart(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, ending: str
) -> None:
    executor = waiting()
    if ending == "failed":
        executor.fail_next(JobFailed("out_of_memory", "CUDA out of memory"))
    async with bot(executor):
        await ada.command(art, "/generate", "a cat")
        message = await only_message(slack, art, "Next in line")
        await slack.until(lambda: rows.notes() != [""])
        slack.fail("chat.update", status=503, times=None)
        executor.become_ready()
        await slack.until(lambda: rows.statuses() == [ending])
        await slack.until(lambda: len(slack.files) == (ending == "done"))
    slack.heal()
    async with bot(waiting()):
        await settled(slack, rows, ["delivered"])

    assert art.record == [message]
    assert len(message.pictures) == (ending == "done")
    assert ending == "done" or "This could not be painted." in message.shown


async def test_what_was_uploaded_before_the_end_is_not_uploaded_again(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    await uploaded_and_not_shown(slack, art, ada, bot, rows, images=2)
    async with bot(waiting()):
        await check_delivered_once(slack, art, rows, images=2)


async def uploaded_and_not_shown(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, *, images: int = 1
) -> None:
    """When the program ended."""
    executor = waiting()
    async with bot(executor):
        await ada.command(art, "/generate", f"a cat --images {images}")
        await only_message(slack, art, "Next in line")
        await slack.until(lambda: rows.notes() != [""])
        slack.fail("chat.update", status=503, times=None)
        executor.become_ready()
        await slack.until(lambda: sum(file.completed for file in slack.files) == images)
        await slack.until(lambda: len(json.loads(rows.notes()[0])["files"]) == images)
    assert finished(art) == []
    slack.heal()


async def test_an_upload_that_was_not_completed_before_the_end_is_made_anew(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    slack.fail("files.completeUploadExternal", status=503, times=None)
    async with bot():
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: requests(slack, "files.completeUploadExternal"))
    slack.heal()
    async with bot(waiting()):
        message = await check_delivered_once(slack, art, rows, files=2)
    lost, shown = slack.files
    assert not lost.completed
    assert message.pictures[0].file is shown


async def test_a_taken_ending_that_was_not_written_down_is_not_shown_again(
    slack: FakeSlack,
    art: Channel,
    ada: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusing = Refusing(monkeypatch, Deliveries, "delivered", 10_000)
    async with bot():
        await ada.command(art, "/generate", "a cat")
        message = await shown_in(slack, art)
    assert rows.states() == ["owed"]
    refusing.left = 0
    async with bot(waiting()):
        assert await check_delivered_once(slack, art, rows) is message


async def test_what_is_delivered_is_left_alone_after_a_restart(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
    edits = message.edits
    async with bot():
        other = await paint(slack, rows, ada, art, "a dog")
    assert art.record == [message, other]
    assert message.edits == edits


async def test_a_message_that_is_being_posted_at_the_end_is_not_posted_again(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    slack.delay("chat.postMessage", 0.3, times=1)
    async with bot(waiting()):
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: art.messages)
    async with bot():
        await check_delivered_once(slack, art, rows)


async def test_a_noted_file_that_somebody_deleted_meanwhile_is_uploaded_anew(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    await uploaded_and_not_shown(slack, art, ada, bot, rows)
    slack.files[0].deleted = True
    async with bot(waiting()):
        await check_delivered_once(slack, art, rows, files=2)
    assert not art.messages[0].pictures[0].file.deleted


@pytest.mark.parametrize("times", [1, 3])
async def test_a_file_that_blocks_do_not_show_yet_is_shown_a_little_later(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, times: int
) -> None:
    async with bot(tempo=LACONIC):
        slack.fail("chat.update", error="invalid_blocks", times=times)
        await ada.command(art, "/generate", "a cat")
        await check_delivered_once(slack, art, rows)


# Where blocks show no files


@pytest.fixture
def no_blocks(slack: FakeSlack) -> FakeSlack:
    slack.blocks_show_files = False
    return slack


def carriers(channel: Channel) -> list[FakeMessage]:
    """Messages that ever were there and came with files."""
    return [message for message in channel.record if message.files]


@pytest.mark.parametrize("images", [1, 3])
async def test_what_no_block_shows_comes_in_a_message_of_its_own(
    no_blocks: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, images: int
) -> None:
    async with bot():
        await ada.command(art, "/generate", f"a cat --images {images}")
        await settled(no_blocks, rows, ["delivered"])

    buttons, pictures = art.record
    assert "Slack could not show it in this message" in buttons.shown
    assert {"Again", "Recipe"} <= set(buttons.labels)
    assert "Ada" in pictures.text
    assert "a cat" in pictures.text
    assert len(pictures.files) == images
    assert all("a cat" in (file.alt_txt or "") for file in pictures.files)
    assert rows.shown().keys() == {file.name.removesuffix(".png") for file in pictures.files}
    assert set(rows.shown().values()) == {pictures.ts}
    # Those that nobody saw are gone.
    assert [file for file in no_blocks.files if not file.deleted] == pictures.files


async def test_a_picture_that_came_apart_is_refined_in_its_thread(
    no_blocks: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        await ada.command(art, "/generate", "a cat")
        await settled(no_blocks, rows, ["delivered"])
        (pictures,) = carriers(art)
        await ada.mention(art, "warmer light", thread=pictures)
        await settled(no_blocks, rows, ["delivered"] * 2)

        parent, refined = limner.executor.works
    assert getattr(refined.request, "image_id", None) == parent.image_ids[0]
    _, there = carriers(art)
    assert there.thread_ts == pictures.ts


async def test_a_private_picture_comes_apart_in_direct_messages(
    no_blocks: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        await ada.command(art, "/generate", "a cat --private")
        await settled(no_blocks, rows, ["delivered"])
    assert carriers(art) == []
    assert len(carriers(no_blocks.dm(ada))) == 1


async def test_a_lost_answer_shares_no_picture_twice(
    no_blocks: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        no_blocks.fail("files.completeUploadExternal", taken=True, times=2)
        await ada.command(art, "/generate", "a cat")
        await settled(no_blocks, rows, ["delivered"])
    assert len(carriers(art)) == 1


@pytest.mark.parametrize("taken", [False, True])
async def test_a_picture_that_was_to_come_apart_at_the_end_comes_once(
    no_blocks: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, taken: bool
) -> None:
    async with bot():
        await ada.command(art, "/generate", "a cat")
        await no_blocks.until(lambda: '"files": {"' in "".join(rows.notes()))
        no_blocks.fail("files.completeUploadExternal", taken=taken, times=None)
        await no_blocks.until(lambda: '"apart": true' in "".join(rows.notes()))
        await no_blocks.until(lambda: "channel_id" in str(requests(no_blocks, "files.completeUploadExternal")[-1].args))
    assert len(carriers(art)) == taken
    no_blocks.heal()
    async with bot(waiting()):
        await settled(no_blocks, rows, ["delivered"])
    (pictures,) = carriers(art)
    assert set(rows.shown().values()) == {pictures.ts}


async def test_what_slack_shows_in_no_way_does_not_keep_the_ending_back(
    no_blocks: FakeSlack,
    art: Channel,
    ada: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploads, "LOOKS", (0.01, 0.02))
    async with bot():
        no_blocks.fail("files.completeUploadExternal", error="internal_error")
        await ada.command(art, "/generate", "a cat")
        await no_blocks.until(lambda: '"apart": true' in "".join(rows.notes()))
        no_blocks.file_delay = 1000
        await settled(no_blocks, rows, ["delivered"])

    (message,) = art.record
    assert "The image could not be shown here" in message.shown
    assert "Refine" in message.labels
    assert no_blocks.dm(ada).record == []
