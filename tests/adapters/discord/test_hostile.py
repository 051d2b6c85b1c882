"""What somebody might try who wants the bot to ask elsewhere, or its log to tell what lets somebody in."""

import discord as library
import pytest

from adapters.chat.mishaps import Passing
from adapters.discord.mishaps import told_apart
from adapters.discord.pictures import Found
from bot.errors import BadRequest
from tests.adapters.garbage import talking_nonsense


@pytest.mark.parametrize(
    "address",
    [
        "http://cdn.discordapp.com/a.png",
        "https://cdn.discordapp.com@evil.example/a.png",
        "https://evil.example@cdn.discordapp.com/a.png",
        "https://cdn.discordapp.com.evil.example/a.png",
        "https://evildiscordapp.com/a.png",
        "https://cdn.discordapp.com:444/a.png",
        "https://cdn.discordapp.com./a.png",
        "https://cdn.discordapp.com%2eevil.example/a.png",
        "https://cdn.d\u0456scordapp.com/a.png",
        "https://127.0.0.1/a.png",
        "https://2130706433/a.png",
        "https://[::ffff:127.0.0.1]/a.png",
        "//cdn.discordapp.com/a.png",
        "file:///etc/passwd",
        "https://[::1",
        "",
    ],
)
async def test_an_address_that_is_not_discords_is_not_asked(address: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await Found(address, None, None).fetch()
    assert [mistake.kind for mistake in refused.value.mistakes] == ["not_there"]


async def test_what_is_no_answer_of_discords_is_told_without_the_token_that_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with talking_nonsense() as url, library.Client(intents=library.Intents.none()) as client:
        monkeypatch.setattr(library.http.Route, "BASE", f"{url}/api/v10")
        with pytest.raises(Passing) as passing, told_apart():
            await client.login("hush.hush.hush")

    assert "hush" not in str(passing.value)
    assert "no header" in str(passing.value)
