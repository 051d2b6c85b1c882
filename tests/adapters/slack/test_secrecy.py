"""The log tells what happens to Slack, and neither what people paint nor anything that lets somebody in."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from adapters.chat.mishaps import Passing
from adapters.slack import render
from adapters.slack.desk import Ask
from adapters.slack.library_log import heard
from adapters.slack.mishaps import Web, told_apart
from bot.errors import JobFailed, WorkerDied
from bot.service import Service
from tests.adapters.garbage import talking_nonsense
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.test_buttons import planted
from tests.adapters.slack.watching import Rows, paint, picture, settled
from tests.bot.log_reading import written
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeSlack, Person

#: In everything that somebody types here.
HUSH = "hush"
KEY = "k" * 24


async def test_what_is_no_answer_of_slacks_is_told_without_the_token_that_was_sent() -> None:
    async with talking_nonsense() as url:
        with pytest.raises(Passing) as passing, told_apart():
            await Web("xoxb-hush", f"{url}/api/", retry_handlers=[]).auth_test()

    assert HUSH not in str(passing.value)
    assert "no header" in str(passing.value)


async def test_an_address_that_takes_answers_is_told_to_nobody(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot
) -> None:
    slack.fail("chat.postEphemeral", error="not_in_channel", times=None)
    async with bot() as limner, talking_nonsense() as url:
        ask = Ask(slack.team.id, ada.id, art.id, response_url=f"{url}/response/{KEY}")
        with capture_logs() as lines:
            await limner.app.desk.tell(ask, render.answer("hello"))
            for action in ("limner:keep", "limner:confirm_delete"):
                button = planted(art, action, "x")
                await limner.app._presses.do(action.partition(":")[2], "x", replace(ask, id=action), button.ts)

    assert [line["event"] for line in lines].count("could not be told in answer") == 3
    assert [line["event"] for line in lines].count("a question could not be replaced") == 2
    assert KEY not in repr(lines)


async def test_whatever_goes_wrong_the_log_tells_no_word_and_no_secret(
    slack: FakeSlack,
    art: Channel,
    ada: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executor = FakeExecutor()
    # None of them is known to the log: it must do without.
    with written([]) as read, heard():
        async with bot(executor):
            message = await paint(slack, rows, ada, art, "a hush cat --no hush rain")
            executor.fail_next(JobFailed("style_unavailable", "no"))
            executor.fail_next(WorkerDied("gone"), times=3)
            slack.fail("chat.update", status=500)
            slack.fail("chat.postMessage", taken=True)
            slack.fail("upload", status=500)
            slack.limit("chat.update", retry_after=0)
            for _ in range(3):
                await ada.command(art, "/generate", "a hush dog")
            await settled(slack, rows, ["delivered"] * 4)
            await ada.mention(art, "hush --steps hush --size hush --style hush --hush")
            slack.fail("download", status=403)
            await ada.say(art, "<@bot> hush snow", files=[picture()])
            slack.fail("chat.postEphemeral", error="not_in_channel", times=None)
            slack.fail("response_url", times=None)
            await ada.command(art, "/generate", "a cat --style hush")
            await slack.until(lambda: "could not be told in answer" in read(), waiting=read)
            slack.heal()
            slack.fail("conversations.open", error="user_disabled")
            await ada.command(art, "/generate", "a hush cat --private")

            async def broken(service: Service, request: object, asker: object, origin: str = "") -> None:
                raise NotImplementedError

            monkeypatch.setattr(Service, "generate", broken)
            await ada.command(art, "/generate", "a hush cat in a hat")
            await slack.until(lambda: "a request broke off" in read(), waiting=read)
            await ada.click(message, "Recipe")
        lines = read()

    for event in (
        "job failed",
        "could not be told in the channel",
        "tried again",
        "job delivered",
        "NotImplementedError",
        "slack connected",
    ):
        assert event in lines, lines
    for secret in (HUSH, slack.bot_token, slack.app_token, slack.signing_secret, "ticket=", "/response/"):
        assert secret not in lines
