"""The log of the program tells what happens, and neither what people paint nor anything that lets somebody in."""

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
import structlog

from adapters.web.app import build
from adapters.web.server import listen, server
from bot.errors import JobFailed, StorageTrouble, WorkerDied
from bot.events import Preview, Progress
from bot.jobs import ImageRequest, Refinement
from bot.log import Mask
from bot.ports import Painted, Work
from bot.service import Service
from bot.settings import Settings
from storage.images import Images
from tests.bot.asking import ANN, hear_all
from tests.bot.log_reading import Read, written
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor, png

KEY, TOKEN = "hush-key-5f2c9e", "hush.token-77d013"
#: In everything that somebody may type here.
SECRET = "hush"
CAT = {"prompt": "a hush cat", "negative_prompt": "hush rain", "num_inference_steps": 2}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(params=[False, True], ids=["JSON", "for people"])
def told(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[Read]:
    """All that the program said, as it says it once it serves."""
    with written([KEY, TOKEN], for_people=request.param) as read:
        yield lambda: read() + "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://discord.com/developers/applications", None),
        ("https://huggingface.co/org/model/resolve/main/model_index.json", None),
        ("http://127.0.0.1:8000", None),
        (
            "https://discord.com/api/v10/webhooks/1111/aW50ZXJhY3Rpb246MTE6YmJiYg/messages/@original",
            "https://discord.com/api/v10/webhooks/1111/***/messages/@original",
        ),
        (
            "https://hooks.slack.com/commands/T1/22/abcdefghijklmnopqrstuvwx",
            "https://hooks.slack.com/commands/T1/22/***",
        ),
        ("wss://wss-primary.slack.com/link/?ticket=1-2&app_id=3", "wss://wss-primary.slack.com/link/?***"),
        ("https://limner.example/download/7?proof=x", "https://limner.example/download/7?***"),
        ("http://user:password@proxy:3128/x", "http://proxy:3128/x"),
    ],
)
def test_of_an_address_that_lets_somebody_in_the_harmless_part_is_shown(address: str, shown: str | None) -> None:
    assert Mask([])(f"before '{address}', after") == f"before '{shown or address}', after"


def test_secrets_are_masked_longer_ones_first_and_words_of_every_day_are_not() -> None:
    mask = Mask(["xoxb-1234", "xoxb-1234-5678", "cat", ""])

    assert mask("Bearer xoxb-1234-5678, Bearer xoxb-1234, a cat") == "Bearer ***, Bearer ***, a cat"


def test_the_settings_name_all_their_secrets() -> None:
    fields = {"hf_token", "discord_token", "slack_bot_token", "slack_app_token", "slack_signing_secret"}
    settings = Settings(api_keys="one,two", **{name: name for name in fields})  # type: ignore[arg-type]

    assert set(settings.secrets) == fields | {"one", "two"}


def test_the_link_that_invites_is_shown_whole(told: Read) -> None:
    structlog.get_logger().info(
        "discord connected", invite="https://discord.com/oauth2/authorize?client_id=1&scope=bot"
    )

    assert "client_id=1&scope=bot" in told()


def break_off(prompt: str) -> None:
    raise RuntimeError(f"{len(prompt)}: {TOKEN} was refused by https://a.example/x?key=1")


def test_a_traceback_shows_where_and_why_without_variables_and_secrets(told: Read) -> None:
    cat = CAT["prompt"]
    try:
        break_off(str(cat))
    except RuntimeError:
        structlog.get_logger().exception("a request broke off", by=f"Bearer {KEY}")
    lines = told()

    assert "in break_off" in lines
    assert "10: *** was refused by https://a.example/x?***" in lines
    assert "Bearer ***" in lines
    assert SECRET not in lines


def test_what_libraries_say_to_nobody_is_masked_too(told: Read) -> None:
    logging.getLogger("a.library").warning("refused: %s", f"https://a.example/{'k' * 40}", exc_info=KeyError(TOKEN))

    assert told().splitlines() == ["refused: https://a.example/***", "KeyError: '***'"]


async def test_so_is_what_asyncio_says_of_a_task_that_nobody_waited_for(told: Read) -> None:
    async def fail() -> None:
        raise RuntimeError(TOKEN)

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task
    gc.collect()

    assert "RuntimeError('***')" in told()


class Mishaps(FakeExecutor):
    """Fails as no executor should, with the request at hand."""

    async def paint(self, work: Work) -> AsyncGenerator[Progress | Preview | Painted, None]:
        prompt, negative = work.request.prompt, work.request.negative_prompt
        if "badly" in prompt:
            raise ValueError(f"{len(prompt)} {len(negative or '')}")
        async for event in super().paint(work):
            yield event


@asynccontextmanager
async def asked(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Over a real socket, so that uvicorn speaks too; with the key."""
    with listen("127.0.0.1", 0) as socket:
        http = server(build(service, [KEY]))
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(http.serve(sockets=[socket]))
            headers = {"Authorization": f"Bearer {KEY}"}
            url = f"http://127.0.0.1:{socket.getsockname()[1]}"
            async with httpx.AsyncClient(base_url=url, headers=headers) as client:
                yield client
            http.should_exit = True
            await serving


async def test_whatever_happens_to_requests_the_log_tells_no_word_of_them(
    limner: OpenLimner, told: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = Mishaps()
    monkeypatch.setattr("bot.engine.STORE_PAUSE", 0.01)
    async with limner(executor, public_url="https://limner.example") as service:
        cat = ImageRequest(prompt="a hush cat", negative_prompt="hush rain", num_inference_steps=2)
        for mishap in (
            JobFailed("style_unavailable", "no"),
            WorkerDied("gone"),
            WorkerDied("gone"),
            WorkerDied("gone"),
        ):
            executor.fail_next(mishap)
        for _ in range(3):
            await hear_all(service, await service.generate(cat, ANN))
        await hear_all(service, await service.generate(replace(cat, prompt="a hush cat, badly"), ANN))
        image = await service.bring(png(), ANN)
        hold = StorageTrouble("no room for it"), RuntimeError("broken")
        for error in hold:
            await keeps_nothing(service, image.id, error, monkeypatch)
        link = service.link(image)
        assert link is not None
        async with asked(service) as client:
            await ask_wrongly(client, image.id, link.rpartition("=")[2], monkeypatch)
        lines = told()

    for event in ("job done", "job failed", "job queued again", "job could not be kept", "request failed"):
        assert event in lines, event
    assert SECRET not in lines
    assert link.rpartition("=")[2] not in lines


async def keeps_nothing(service: Service, image_id: str, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """For one image."""
    kept = Images.save
    errors = [error]

    async def save(images: Images, image_id: str, encoded: bytes) -> Any:
        if errors:
            raise errors.pop()
        return await kept(images, image_id, encoded)

    monkeypatch.setattr(Images, "save", save)
    job = await service.refine(Refinement(image_id=image_id, prompt="hush", num_inference_steps=2), ANN)
    await hear_all(service, job)


async def ask_wrongly(client: httpx.AsyncClient, image_id: str, proof: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await client.get(f"/download/{image_id}", params={"proof": proof})).status_code == 200
    assert (await client.get("/images", params={"key": KEY}, headers={"Authorization": ""})).status_code == 401
    for body in (CAT | {"width": "hush"}, CAT | {"hush": 1}, CAT | {"prompt": "hush" * 1000}, "hush"):
        assert (await client.post("/generate", json=body)).status_code == 422
    assert (await client.post("/generate", content=b'{"prompt": "hush')).status_code in (400, 422)
    assert (await client.post("/refine", json={"id": UNKNOWN, "prompt": "hush"})).status_code == 404

    async def broken(service: Service, request: ImageRequest, asker: object, origin: str = "") -> None:
        raise NotImplementedError(len(request.prompt))

    monkeypatch.setattr(Service, "generate", broken)
    assert (await client.post(f"/generate?proof={proof}", json=CAT)).status_code == 500
