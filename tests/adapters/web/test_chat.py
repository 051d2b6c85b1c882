"""What is typed into the playground's chat, and what comes of it."""

import json
from typing import Any

import httpx
import pytest

from adapters.web.access import LOCAL
from adapters.web.said import HELP, Command
from bot.policy import Asker
from bot.typed import OPTIONS
from tests.adapters.web.clients import Answer, client_of, ok, problem
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor, png

UNKNOWN = "00000000-0000-4000-8000-000000000000"
ADA, BOB = "ada-5f2c9e", "bob-77d013"


async def say(client: httpx.AsyncClient, text: str, **more: Any) -> httpx.Response:
    return await client.post("/chat", json={"text": text, **more})


async def job_of(client: httpx.AsyncClient, text: str, **more: Any) -> Answer:
    response = await say(client, text, **more)
    told = ok(response, 202)
    assert told == {"kind": "job", "job": told["job"]}
    job: Answer = told["job"]
    assert response.headers["location"] == f"/jobs/{job['id']}"
    return job


async def paint(client: httpx.AsyncClient, prompt: str = "a cat") -> str:
    image: str = ok(await client.post("/generate", json={"prompt": prompt, "num_inference_steps": 1}))["id"]
    return image


async def mistakes(client: httpx.AsyncClient, text: str, **more: Any) -> dict[str, str]:
    body = problem(await say(client, text, **more), 422, "invalid_request")
    return {error["field"]: error["message"] for error in body["errors"]}


@pytest.mark.parametrize(
    "text",
    [
        "/generate a cat in a hat",
        "a cat in a hat",
        "  /GENERATE   a cat\n in a\that ",
        "/generate\na cat in a hat",
        "a cat in a hat --steps 4",
        "/generate --steps 4 a cat in a hat",
    ],
)
async def test_words_are_painted_with_a_command_or_without(limner: OpenLimner, text: str) -> None:
    async with limner(FakeExecutor(ready=False)) as service, client_of(service) as client:
        job = await job_of(client, text)
        assert ok(await client.get(f"/jobs/{job['id']}")) == job

    assert (job["kind"], job["prompt"], job["status"], job["parent"]) == ("generate", "a cat in a hat", "queued", None)


async def test_options_are_read_as_in_other_chats(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service, client_of(service) as client:
        job = await job_of(client, "/generate a cat --size 128x64 --steps 4 --seed 7 --images 2 --no dogs, text")
        found = await service.job(job["id"], LOCAL)

    request: Any = found.request
    assert (request.width, request.height, request.num_inference_steps) == (128, 64, 4)
    assert (request.seed, request.num_images, request.negative_prompt) == (7, 2, "dogs, text")
    assert job["seed"] == 7


@pytest.mark.parametrize(
    "said",
    [
        "/refine {image} warmer light",
        "/refine `{image}` warmer light",
        "/REFINE {upper} warmer light",
        "/refine warmer light --image {image}",
        "/refine --image `{image}` warmer light",
        "/refine {image} --steps 4 warmer light",
    ],
)
async def test_an_image_is_refined_by_its_id_whatever_is_answered(limner: OpenLimner, said: str) -> None:
    async with limner() as service, client_of(service) as client:
        image, other, newest = [await paint(client) for _ in range(3)]
        text = said.format(image=image, upper=image.upper())
        jobs = [await job_of(client, text), await job_of(client, text, image=other)]

    assert newest not in {image, other}
    assert [(job["kind"], job["prompt"], job["parent"]) for job in jobs] == [("refine", "warmer light", image)] * 2


@pytest.mark.parametrize("text", ["/refine warmer", "warmer", "  warmer --strength 0.3"])
async def test_an_answer_refines_what_it_answers_to(limner: OpenLimner, text: str) -> None:
    async with limner() as service, client_of(service) as client:
        image, _ = [await paint(client) for _ in range(2)]
        job = await job_of(client, text, image=image)

    assert (job["kind"], job["prompt"], job["parent"]) == ("refine", "warmer", image)


async def test_without_an_image_the_newest_one_of_ones_own_is_refined(limner: OpenLimner) -> None:
    other = Asker("test:bob", LOCAL.space)
    executor = FakeExecutor()
    async with limner(executor) as service, client_of(service) as client:
        _, image = [await paint(client) for _ in range(2)]
        # What is refined must not become the newest meanwhile.
        executor.hold()
        await service.bring(png(), other)
        assert (await job_of(client, "/refine warmer"))["parent"] == image
        brought = ok(await client.post("/images", content=png()), 201)["id"]
        assert (await job_of(client, "/refine warmer", image=None))["parent"] == brought


async def test_what_says_generate_does_so_also_as_an_answer(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        job = await job_of(client, "/generate a dog", image=await paint(client))

    assert (job["kind"], job["parent"]) == ("generate", None)


async def test_where_there_is_nothing_to_refine_it_is_said_what_to_do(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        told = await mistakes(client, "/refine warmer")
        assert not any((await service.status()).counts.values())

    assert told.keys() == {"image"}
    assert "/generate" in told["image"]


@pytest.mark.parametrize("image", [UNKNOWN, "cat", "", "2", "../../etc/passwd", "a" * 5000])
async def test_an_image_that_is_not_there_is_not_found(limner: OpenLimner, image: str) -> None:
    async with limner() as service, client_of(service) as client:
        await paint(client)
        problem(await say(client, "warmer", image=image), 404, "not_found")
        problem(await say(client, "/refine warmer", image=image), 404, "not_found")
        assert sum((await service.status()).counts.values()) == 1


@pytest.mark.parametrize("said", ["/refine {image} warmer", "/refine warmer --image {image}", "warmer"])
async def test_what_is_of_others_is_as_if_it_were_not_there(limner: OpenLimner, said: str) -> None:
    async with (
        limner() as service,
        client_of(service, ADA, BOB, key=ADA) as ada,
        client_of(service, ADA, BOB, key=BOB) as bob,
    ):
        answers = [
            problem(await say(bob, said.format(image=image), image=image), 404, "not_found")
            for image in (await paint(ada), UNKNOWN)
        ]
        # Not even what Ada made last.
        assert (await mistakes(bob, "/refine warmer")).keys() == {"image"}

    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("", "prompt", "The prompt is empty"),
        (" \n\t ", "prompt", "The prompt is empty"),
        ("/generate", "prompt", "The prompt is empty"),
        ("/generate --steps 4", "prompt", "The prompt is empty"),
        ("/refine", "prompt", "The prompt is empty"),
        ("a cat --stpes 4", "stpes", "Did you mean --steps?"),
        ("a cat --steps many", "steps", "whole number"),
        ("a cat --steps 4 --steps 5", "steps", "only once"),
        ("a cat --strength 0.5", "strength", "only for refining"),
        ("a cat --image 2", "image", "only for refining"),
        ("/generate a cat --private", "private", "Discord and Slack"),
        ("/refine warmer --private", "private", "Discord and Slack"),
        ("/refine warmer --size 64x64", "size", "not for refining"),
        ("/refine {image} warmer --image {image}", "image", "once"),
        ("a cat --style ink", "style", "None are set up"),
        ("a cat --images 5", "num_images", "from 1 to 4"),
        ("a" * 2001, "prompt", "up to 2000 characters"),
        ("/genrate a cat", "text", "Did you mean /generate?"),
        ("/imagine a cat", "text", "Did you mean /generate?"),
        ("/Refien a cat", "text", "Did you mean /refine?"),
        ("/remix it", "text", "Did you mean /refine?"),
        ("/statsu", "text", "Did you mean /status?"),
        ("/limner-status", "text", "Did you mean /status?"),
        ("/hlep", "text", "Did you mean /help?"),
        ("/xyzzy", "text", "There are /generate, /refine, /status, /help."),
        ("/", "text", "There are /generate"),
        ("/ generate a cat", "text", "There are /generate"),
        ("//generate a cat", "text", "Did you mean /generate?"),
        ("/" + "x" * 10_000, "text", "\u2026"),
        ("/\u202egenerate a cat", "text", "Did you mean /generate?"),
    ],
)
async def test_a_mistake_is_told_with_what_was_probably_meant(
    limner: OpenLimner, text: str, field: str, says: str
) -> None:
    async with limner() as service, client_of(service) as client:
        image = await paint(client)
        told = await mistakes(client, text.format(image=image))
        assert sum((await service.status()).counts.values()) == 1

    assert told.keys() == {field}
    assert says in told[field]
    assert len(told[field]) < 300


async def test_all_mistakes_are_told_at_once(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        told = await mistakes(client, "a cat --private --strength 1 --steps 900 --size 63x64")

    assert told.keys() == {"private", "strength", "num_inference_steps", "width"}


@pytest.mark.parametrize("text", ["/help", "help", "?", " HELP ", "/Help me please"])
async def test_who_asks_for_help_is_told_every_command_and_option(limner: OpenLimner, text: str) -> None:
    async with limner() as service, client_of(service) as client:
        told = ok(await say(client, text))

    assert told == {"kind": "help", "text": HELP}
    for command in set(Command) - {Command.HELP}:
        assert f"/{command}" in HELP
    for option in OPTIONS.keys() - {"private", "negative", "image"}:
        assert f"--{option}" in HELP


@pytest.mark.parametrize("text", ["/status", "/STATUS", "/status of all"])
async def test_the_status_is_that_of_the_route(limner: OpenLimner, text: str) -> None:
    async with limner() as service, client_of(service) as client:
        assert ok(await say(client, text)) == {"kind": "status", "status": ok(await client.get("/status"))}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": None}, "text"),
        ({"text": 7}, "text"),
        ({"text": ["a cat"]}, "text"),
        ({"text": "a cat", "image": 7}, "image"),
        ({"text": "a cat", "picture": "x"}, "picture"),
        ({"text": "\ud800"}, "text"),
    ],
)
async def test_a_body_that_is_wrong_changes_nothing(limner: OpenLimner, body: Answer, field: str) -> None:
    async with limner() as service, client_of(service) as client:
        content = json.dumps(body)
        response = await client.post("/chat", content=content, headers={"Content-Type": "application/json"})
        assert not any((await service.status()).counts.values())

    assert [error["field"] for error in problem(response, 422, "invalid_request")["errors"]] == [field]


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "javascript:alert(1)",
    "</title></textarea><script>1</script>",
    "\u2028\u2029 ${alert(1)} {{7*7}}",
]


@pytest.mark.parametrize("words", HOSTILE)
async def test_words_come_back_as_json_and_never_as_a_page(limner: OpenLimner, words: str) -> None:
    async with limner() as service, client_of(service) as client:
        client.headers["Accept"] = "text/html"
        said = await say(client, words)
        job = ok(said, 202)["job"]
        async with client.stream("GET", f"/jobs/{job['id']}/events") as events:
            kind = events.headers["content-type"]
            await events.aread()
        answers = [
            said,
            await say(client, f"/{words}"),
            await say(client, f"a cat --{words}"),
            await client.get("/history"),
            await client.get(f"/jobs/{job['id']}"),
            await client.get(f"/jobs/{words.replace('/', '')}"),
            await client.get("/activity"),
        ]

    assert job["prompt"].split() == words.split()
    assert kind.startswith("text/event-stream")
    for response in answers:
        assert response.headers["content-type"] in ("application/json", "application/problem+json")
        assert response.headers["x-content-type-options"] == "nosniff"
