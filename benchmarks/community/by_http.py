"""Programs that call the HTTP API, each with a key."""

from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import httpx

from benchmarks.community.chance import ENDLESS, SAMPLERS, Chance, Deed
from bot.links import Links, secret
from storage.folder import IMAGES

KEYS = tuple(f"key-{number}" for number in range(20))
#: Seconds; a long line and a busy machine take some.
TIMEOUT = 60.0


class Callers:
    """Of the HTTP API."""

    def __init__(self, url: str, folder: Path, chance: Chance) -> None:
        self._url = url
        self._folder = folder
        self._chance = chance
        self._http = httpx.AsyncClient()

    async def __aenter__(self) -> Self:
        self._http = httpx.AsyncClient(base_url=self._url, timeout=TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    def deeds(self) -> list[Deed]:
        return [
            *[self.follow] * 4,
            *[self.look_and_leave] * 3,
            self.generate_and_leave,
            self.generate,
            *[self.refine] * 2,
            self.cancel,
            self.fail,
            self.delete,
            *[self.look] * 2,
            self.knock,
        ]

    @property
    def _as_someone(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._chance.random.choice(KEYS)}"}

    def _wish(self, **more: Any) -> dict[str, Any]:
        width, height = self._chance.size()
        wish = {"prompt": self._chance.prompt(), "width": width, "height": height, "seed": 7}
        sampler = self._chance.random.choice(SAMPLERS)
        return {**wish, "num_inference_steps": self._chance.steps(), "sampler": sampler, **more}

    async def _accepted(self, who: dict[str, str], wish: dict[str, Any]) -> str:
        answer = await self._http.post("/jobs", json=wish, headers=who)
        return str(answer.raise_for_status().json()["id"])

    async def follow(self, wish: dict[str, Any] | None = None, who: dict[str, str] | None = None) -> None:
        """To the end, and fetches what came of it."""
        who = who or self._as_someone
        job_id = await self._accepted(who, wish or self._wish())
        async with self._http.stream("GET", f"/jobs/{job_id}/events?preview_interval=0.2", headers=who) as events:
            async for _ in events.aiter_lines():
                pass
        for image in (await self._http.get(f"/jobs/{job_id}", headers=who)).json()["images"]:
            (await self._http.get(f"/download/{image['id']}", headers=who)).raise_for_status()

    async def look_and_leave(self) -> None:
        who = self._as_someone
        job_id = await self._accepted(who, self._wish(num_inference_steps=30))
        async with self._http.stream("GET", f"/jobs/{job_id}/events?preview_interval=0.2", headers=who) as events:
            await anext(events.aiter_lines())

    async def generate(self) -> None:
        (await self._http.post("/generate", json=self._wish(), headers=self._as_someone)).raise_for_status()

    async def generate_and_leave(self) -> None:
        with suppress(httpx.ReadTimeout):
            wish = self._wish(num_inference_steps=30)
            await self._http.post("/generate", json=wish, headers=self._as_someone, timeout=0.05)

    async def _some_image(self, who: dict[str, str]) -> str:
        images = (await self._http.get("/images", headers=who)).raise_for_status().json()["images"]
        return str(self._chance.random.choice(images)["id"])

    async def refine(self) -> None:
        who = self._as_someone
        wish = {"id": await self._some_image(who), "prompt": self._chance.prompt(), "num_inference_steps": 8}
        await self.follow(wish, who)

    async def cancel(self) -> None:
        who = self._as_someone
        job_id = await self._accepted(who, self._wish(num_inference_steps=ENDLESS))
        (await self._http.delete(f"/jobs/{job_id}", headers=who)).raise_for_status()

    async def fail(self) -> None:
        """Somebody took the file away that is to be refined."""
        who = self._as_someone
        image_id = await self._some_image(who)
        for file in (self._folder / IMAGES).rglob(f"{image_id}*"):
            file.unlink()
        job_id = await self._accepted(who, {"id": image_id, "prompt": "a cat"})
        async with self._http.stream("GET", f"/jobs/{job_id}/events", headers=who) as events:
            assert "failed" in (await events.aread()).decode()
        await self._http.delete(f"/images/{image_id}", headers=who)

    async def delete(self) -> None:
        who = self._as_someone
        await self._http.delete(f"/images/{await self._some_image(who)}", headers=who)

    async def look(self) -> None:
        """Also by a link, without a key."""
        who = self._as_someone
        image_id = await self._some_image(who)
        link = Links(self._url, secret(self._folder)).link(image_id)
        for path in (f"/images/{image_id}", "/status", "/readyz", link or ""):
            await self._http.get(path, headers=who if path != link else {})

    async def sees_a_painter(self) -> bool:
        return (await self._http.get("/readyz")).status_code == HTTPStatus.OK

    def say_much(self, length: int) -> Deed:
        """So many characters, most of them a token each."""

        async def say_much() -> None:
            prompt, negative = (self._chance.gibberish(length) for _ in range(2))
            wish = self._wish(prompt=prompt, negative_prompt=negative, num_inference_steps=1, width=64, height=64)
            (await self._http.post("/generate", json=wish, headers=self._as_someone)).raise_for_status()

        return say_much

    async def knock(self) -> None:
        """What is refused."""
        who = self._as_someone
        await self._http.get("/images", headers={"Authorization": "Bearer guessed"})
        await self._http.get("/nowhere", headers=who)
        await self._http.post("/jobs", json={"prompt": ""}, headers=who)
        await self._http.post("/jobs", content=b"{" * 1000, headers=who)
