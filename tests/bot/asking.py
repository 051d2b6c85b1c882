"""Some who ask the service for something, and how they do it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from bot.events import Done, Event
from bot.jobs import Image, ImageRequest, Job, Message, Refinement
from bot.policy import Asker
from bot.service import Service

STUDIO, ELSEWHERE = "test:studio", "test:elsewhere"
ANN = Asker("test:ann", STUDIO)
BOB = Asker("test:bob", STUDIO)
EVE = Asker("test:eve", ELSEWHERE)
MODERATOR = Asker("test:mo", STUDIO, moderator=True)
ADMIN = Asker("test:ada", STUDIO, admin=True)

NO_IDS = ["", "cat", "../../etc/passwd", "00000000-0000-0000-0000-00000000000", "\ud800", "0" * 10_000, "\0"]


async def ask(
    service: Service,
    asker: Asker = ANN,
    *,
    seed: int | None = None,
    images: int = 1,
    steps: int = 2,
    origin: str = "",
) -> Job:
    request = ImageRequest(prompt="a cat", num_inference_steps=steps, num_images=images, seed=seed)
    return await service.generate(request, asker, origin)


async def refine(service: Service, image_id: str, asker: Asker = ANN) -> Job:
    return await service.refine(Refinement(image_id=image_id, prompt="warmer", num_inference_steps=2), asker)


async def hear_all(service: Service, job: Job, asker: Asker = ANN) -> list[Event]:
    return [event async for event in service.follow(job.id, asker)]


async def painted(service: Service, job: Job, asker: Asker = ANN) -> tuple[Image, ...]:
    """The images of the job, once it is done."""
    ending = (await hear_all(service, job, asker))[-1]
    assert isinstance(ending, Done)
    return ending.images


async def paint(service: Service, asker: Asker = ANN, *, seed: int | None = None) -> Image:
    (image,) = await painted(service, await ask(service, asker, seed=seed), asker)
    return image


async def hear_until(stream: AsyncGenerator[Event, None], awaited: Event) -> list[Event]:
    """All events up to this one."""
    heard = []
    async for event in stream:
        heard.append(event)
        if event == awaited:
            return heard
    raise AssertionError(f"{awaited} was not told, but {heard}")


async def reach(service: Service, job: Job, point: Event, asker: Asker = ANN) -> None:
    """Returns once the job has come to this point."""
    async with aclosing(service.follow(job.id, asker)) as stream:
        await hear_until(stream, point)


async def idle(service: Service) -> None:
    """Returns once no executor holds a job."""
    async with asyncio.timeout(5):
        while (await service.status()).running:
            await asyncio.sleep(0.001)


def message(message_id: str = "1", *, channel: str = "painting", thread: str = "") -> Message:
    return Message(platform="test", space=STUDIO, channel=channel, message_id=message_id, thread=thread)
