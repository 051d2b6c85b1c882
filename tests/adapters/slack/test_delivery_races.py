"""What happens at once, halfway or strangely: each job's ending is told once, and what is erased stays erased."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from adapters.chat.watch import Stopped, Watch
from adapters.slack import uploads
from bot.errors import ImageFileLost
from bot.service import Service
from storage.deliveries import Deliveries
from tests.adapters.discord.delivering import Refusing
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.test_erasing import forget, kept
from tests.adapters.slack.watching import LACONIC, Rows, asker, finished, requests, settled, whispered
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeMessage, FakeSlack, Person, doors, payloads


def waiting() -> FakeExecutor:
    return FakeExecutor(ready=False)


def carriers(channel: Channel) -> list[FakeMessage]:
    """Messages that are there and came with files."""
    return [message for message in channel.messages if message.files]


def before(
    monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], Awaitable[Any]], *, times: int = 1
) -> asyncio.Event:
    """Something happens before the service does this; the event tells that it has."""
    does, left, happened = getattr(Service, name), [times], asyncio.Event()

    async def first(self: Service, *args: Any, **more: Any) -> Any:
        if left[0]:
            left[0] -= 1
            await act()
            happened.set()
        return await does(self, *args, **more)

    monkeypatch.setattr(Service, name, first)
    return happened


# The index


async def test_a_message_that_could_not_be_noted_at_once_is_not_posted_again(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    Refusing(monkeypatch, Deliveries, "note", 2)
    async with bot():
        await ada.command(art, "/generate", "a cat")
        await settled(slack, rows, ["delivered"])

    (message,) = art.record
    assert len(message.pictures) == 1


# What Slack answers


@pytest.mark.parametrize(
    "error",
    ["rate_limited", "message_limit_exceeded", "update_failed", "external_channel_migrating", "org_login_required"],
)
async def test_what_slack_does_not_do_for_now_it_is_asked_for_again(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, error: str
) -> None:
    async with bot(tempo=LACONIC):
        slack.fail("chat.update", error=error, times=2)
        await ada.command(art, "/generate", "a cat")
        await settled(slack, rows, ["delivered"])

    (message,) = art.record
    assert len(message.pictures) == 1


@pytest.mark.parametrize(
    "error",
    [
        "restricted_action_read_only_channel",
        "team_access_not_granted",
        "ekm_access_denied",
        "no_permission",
        "edit_window_closed",
        "posting_to_channel_denied",
        "an_error_of_tomorrow",
    ],
)
async def test_whatever_slack_does_not_allow_is_not_told_as_a_message_that_is_gone(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, error: str
) -> None:
    async with bot(tempo=LACONIC):
        slack.fail("chat.update", error=error)
        await ada.command(art, "/generate", "a cat")
        await settled(slack, rows, ["delivered"])

    (direct,) = finished(slack.dm(ada))
    assert f"I may no longer post in {art.tag}" in direct.shown


STRANGE: dict[str, dict[str, str]] = {
    "text": {"text": "ok", "content_type": "text/plain"},
    "a list": {"text": "[]", "content_type": "application/json"},
    "a word": {"text": '"ok"', "content_type": "application/json"},
    "nothing": {"text": "null", "content_type": "application/json"},
    "a page": {"text": "<html>Sign in</html>", "content_type": "text/html"},
    "half an answer": {"text": '{"ok": tr', "content_type": "application/json"},
}


@pytest.mark.parametrize("answer", STRANGE.values(), ids=STRANGE.keys())
@pytest.mark.parametrize("method", ["chat.update", "files.info", "users.info"])
async def test_what_answers_in_slacks_place_only_delays_the_picture(
    slack: FakeSlack,
    art: Channel,
    ada: Person,
    bot: StartBot,
    rows: Rows,
    method: str,
    answer: dict[str, str],
    lines: list[Any],
    answering: Callable[..., None],
) -> None:
    async with bot(tempo=LACONIC):
        answering(method, answer, times=2)
        await ada.command(art, "/generate", "a cat")
        await settled(slack, rows, ["delivered"])

    (message,) = art.record
    assert len(message.pictures) == 1
    assert [line for line in lines if line["log_level"] == "error"] == []


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def answering(slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """So many calls of a method get this answer."""

    def order(method: str, answer: dict[str, str], times: int) -> None:
        failed, left = doors._failed, [times]

        def fails(http: web.Request, request: Any, failure: Any) -> web.StreamResponse:
            if request.method == method and failure.error == "strange":
                left[0] -= 1
                return web.Response(**answer)  # type: ignore[arg-type]
            return failed(http, request, failure)

        monkeypatch.setattr(doors, "_failed", fails)
        slack.fail(method, error="strange", times=times)

    return order


async def test_a_file_that_slack_never_calls_processed_is_shown_all_the_same(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "LOOKS", (0.01, 0.02))
    tell = payloads.file
    monkeypatch.setattr(payloads, "file", lambda file: tell(file) | {"mimetype": ""})
    async with bot(tempo=LACONIC):
        await ada.command(art, "/generate", "a cat")
        await settled(slack, rows, ["delivered"])

    (message,) = art.record
    assert len(message.pictures) == 1


# Erased meanwhile


async def test_a_picture_that_came_apart_goes_with_a_job_that_is_forgotten_meanwhile(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack.blocks_show_files = False
    async with bot() as limner:
        happened = before(monkeypatch, "delivered", lambda: limner.service.forget(asker(ada)))
        await ada.command(art, "/generate", "a cat")
        await asyncio.wait_for(happened.wait(), 20)
        await slack.until(lambda: art.messages == [] and kept(slack) == 0, 20, waiting="nothing")
        await no_deliveries()


async def no_deliveries() -> None:
    """Until none is under way."""
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name().startswith("deliver ")))


@pytest.mark.parametrize("apart", [False, True])
async def test_an_image_of_a_set_that_is_deleted_while_the_ending_is_told_leaves_the_others(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, monkeypatch: pytest.MonkeyPatch, apart: bool
) -> None:
    slack.blocks_show_files = not apart
    async with bot() as limner:

        async def delete() -> None:
            (job,) = rows.read("SELECT image_ids FROM jobs")
            await limner.service.delete(json.loads(str(job[0]))[0], asker(ada))

        happened = before(monkeypatch, "delivered", delete)
        await ada.command(art, "/generate", "a cat --images 3")
        await asyncio.wait_for(happened.wait(), 20)
        await settled(slack, rows, ["delivered"])
        await no_deliveries()

    assert kept(slack) == 2
    deleted = [file for file in slack.files if file.deleted and file.name.removesuffix(".png") not in rows.shown()]
    assert deleted
    assert len(rows.shown()) == 2
    if not apart:
        (message,) = art.record
        assert len(message.pictures) == 2


async def test_files_of_a_forgotten_job_go_even_where_slack_is_slow_to_take_them(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bot() as limner:
        slack.fail("files.delete", status=503, times=3)
        slack.fail("chat.delete", status=503, times=3)
        happened = before(monkeypatch, "delivered", lambda: limner.service.forget(asker(ada)))
        await ada.command(art, "/generate", "a cat")
        await asyncio.wait_for(happened.wait(), 20)
        await slack.until(lambda: art.messages == [] and kept(slack) == 0, 20, waiting="nothing")


async def test_what_is_forgotten_between_the_upload_and_its_completion_is_never_seen(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        slack.delay("files.completeUploadExternal", 0.5, taken=False)
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: requests(slack, "upload"), 20)
        await forget(slack, ada, art)
        await slack.until(lambda: requests(slack, "files.completeUploadExternal"), 20)
        await no_deliveries()
        await slack.until(lambda: art.messages == [] and kept(slack) == 0, 20, waiting="nothing")


# Apart


async def test_a_lost_file_of_a_set_that_comes_apart_leaves_the_others(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack.blocks_show_files = False
    encoded, lost = Service.encoded, []

    async def loses(self: Service, image: Any, limit: int) -> Any:
        lost.append(image.id)
        if image.id == lost[0]:
            raise ImageFileLost(image.id)
        return await encoded(self, image, limit)

    monkeypatch.setattr(Service, "encoded", loses)
    async with bot():
        await ada.command(art, "/generate", "a cat --images 3")
        await settled(slack, rows, ["delivered"])

    (carrier,) = carriers(art)
    assert len(carrier.files) == 2
    (buttons,) = (message for message in art.messages if not message.files)
    assert "Image 1 could not be shown here" in buttons.shown


# Stopping


async def test_a_message_whose_answer_does_not_come_when_it_stops_is_waited_for_no_longer_than_allowed(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.slack.delivery.POSTING_MOST", 0.1)
    slack.delay("chat.postMessage", 2, times=1)
    async with bot(waiting()):
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: art.messages)
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("post ")] == []


# Two at once


async def test_a_cancel_that_is_pressed_twice_at_once_ends_it_once(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(waiting()):
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: art.messages and art.messages[0].labels == ["Cancel"])
        (message,) = art.messages
        await asyncio.gather(ada.click(message, "Cancel"), ada.click(message, "Cancel"))
        await settled(slack, rows, ["delivered"])
        await slack.until(lambda: message.labels == ["Try again"])
        await slack.until(lambda: whispered(art, ada))

    assert art.messages == [message]


async def test_a_job_that_is_taken_up_and_delivered_again_by_slack_makes_one_message(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(waiting()):
        mention = await ada.mention(art, "a cat")
        await slack.until(lambda: rows.notes() and rows.notes() != [""])
    async with bot():
        await slack.repeat(mention)
        await settled(slack, rows, ["delivered"])
        await mention.until(lambda one: one.acks == 2)

    assert len([message for message in art.record if message.user is slack.bot]) == 1


@pytest.mark.parametrize("ticks", range(5))
async def test_who_waits_for_news_can_be_called_off_at_any_moment(ticks: int) -> None:
    watch = Watch()
    task = asyncio.create_task(watch.news(10))
    await asyncio.sleep(0.01)
    watch._take(Stopped())
    for _ in range(ticks):
        await asyncio.sleep(0)
    if task.cancel():
        await asyncio.wait([task])
        assert task.cancelled()


async def test_a_file_that_is_being_completed_at_the_end_is_not_uploaded_again(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    slack.delay("files.completeUploadExternal", 1, times=1)
    async with bot():
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: slack.files and slack.files[0].completed, 20)
    async with bot(waiting()):
        await settled(slack, rows, ["delivered"])

    assert len(slack.files) == 1


async def test_a_question_that_slack_brings_twice_is_answered_once(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot():
        asked = await ada.command(art, "/limner", "help")
        await slack.repeat(asked)
        await asked.until(lambda one: one.acks == 2)

    assert len(art.whispers) == 1
