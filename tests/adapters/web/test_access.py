"""Who may come in: with keys set, each key is a space of its own; without, everybody on this machine is one."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from structlog.testing import capture_logs

from adapters.web.app import build
from bot.service import Service
from tests.adapters.web.clients import Answer, client_of, ok, problem
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor

ADA, BOB = "ada-5f2c9e", "bob-77d013"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
CAT: Answer = {"prompt": "a cat", "num_inference_steps": 2}
OPEN = ["/", "/healthz", "/readyz", "/openapi.json", "/admin", "/page/style.css"]


def stranger(service: Service, *keys: str) -> httpx.AsyncClient:
    """A client without a key of a server that has some."""
    return client_of(service, *keys or (ADA, BOB))


def refused(response: httpx.Response) -> None:
    body = problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer <key>" in body["detail"]


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="no header"),
        pytest.param("", id="empty header"),
        pytest.param("Bearer", id="no key"),
        pytest.param("Bearer ", id="empty key"),
        pytest.param("Bearer eve", id="wrong key"),
        pytest.param(f"Basic {ADA}", id="wrong scheme"),
        pytest.param(f"Token {ADA}", id="another wrong scheme"),
        pytest.param(ADA, id="no scheme"),
        pytest.param(f"Bearer{ADA}", id="no space"),
        pytest.param(f"Bearer {ADA.upper()}", id="key in capitals"),
        pytest.param(f"Bearer {ADA[:-1]}", id="key cut short"),
        pytest.param(f"Bearer {ADA[1:]}", id="key without its beginning"),
        pytest.param(f"Bearer {ADA}x", id="key with more after it"),
        pytest.param(f'Bearer "{ADA}"', id="key in quotes"),
        pytest.param(f"Bearer {ADA} {BOB}", id="both keys"),
        pytest.param(f"Bearer {ADA},{BOB}", id="both keys as they are set"),
        pytest.param(f"Bearer Bearer {ADA}", id="scheme twice"),
        pytest.param(b"Bearer \xff\xfe\x80", id="no text"),
        pytest.param("Bearer schlüssel", id="beyond ASCII"),
        pytest.param("Bearer " + "9" * 50_000, id="long key"),
    ],
)
async def test_who_brings_no_right_key_is_refused(limner: OpenLimner, header: str | bytes | None) -> None:
    headers = [] if header is None else [(b"Authorization", header.encode() if isinstance(header, str) else header)]
    async with limner() as service, stranger(service) as client:
        refused(await client.post("/generate", json=CAT, headers=headers))
        refused(await client.get("/images", headers=headers))
        assert not any((await service.status()).counts.values())


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "Bearer {} "])
@pytest.mark.parametrize("key", [ADA, BOB])
async def test_who_brings_a_right_key_is_served(limner: OpenLimner, key: str, header: str) -> None:
    async with limner() as service, stranger(service) as client:
        ok(await client.post("/generate", json=CAT, headers={"Authorization": header.format(key)}))


@pytest.mark.parametrize("where", [f"?key={ADA}", f"?access_token={ADA}", f"?authorization=Bearer%20{ADA}"])
async def test_a_key_in_the_address_counts_for_nothing(limner: OpenLimner, where: str) -> None:
    async with limner() as service, stranger(service) as client:
        refused(await client.get(f"/images{where}"))


async def test_a_key_beyond_ascii_is_taken_as_clients_send_it(limner: OpenLimner) -> None:
    key = "schlüssel-猫-à"
    async with limner() as service, stranger(service, key) as client:
        ok(await client.get("/images", headers=[(b"Authorization", f"Bearer {key}".encode())]))
        refused(await client.get("/images", headers=[(b"Authorization", b"Bearer schl\xfcssel")]))


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", ""])
async def test_a_key_that_was_left_empty_lets_nobody_in(limner: OpenLimner, header: str) -> None:
    async with limner() as service, stranger(service, "") as client:
        refused(await client.get("/images", headers={"Authorization": header}))


async def test_every_one_of_many_keys_is_taken(limner: OpenLimner) -> None:
    keys = [f"key-{number}" for number in range(50)]
    async with limner() as service, stranger(service, *keys) as client:
        for key in keys:
            ok(await client.get("/images", headers={"Authorization": f"Bearer {key}"}))


async def test_all_routes_but_the_open_ones_ask_for_a_key(limner: OpenLimner) -> None:
    async with limner() as service, stranger(service) as client:
        for path in OPEN:
            assert (await client.get(path)).status_code == 200
        paths = ok(await client.get("/openapi.json"))["paths"]
        guarded = [
            (method.upper(), filled)
            for path, methods in paths.items()
            for method in methods
            if (filled := path.format(image_id=UNKNOWN, job_id=UNKNOWN, name="style.css")) not in OPEN
        ]
        for method, path in guarded:
            refused(await client.request(method, path, json=CAT if method == "POST" else None))

    assert ("POST", "/generate") in guarded
    assert ("DELETE", f"/images/{UNKNOWN}") in guarded
    assert len(guarded) >= 18


@dataclass(frozen=True, slots=True)
class Two:
    """Two people with a key each, one of whom has painted."""

    ada: httpx.AsyncClient
    bob: httpx.AsyncClient
    #: Ada's picture, and her job that is still running.
    image: str
    job: str


@asynccontextmanager
async def two(limner: OpenLimner) -> AsyncIterator[Two]:
    executor = FakeExecutor()
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(limner(executor))
        ada, bob = [await stack.enter_async_context(client_of(service, ADA, BOB, key=key)) for key in (ADA, BOB)]
        image = ok(await ada.post("/generate", json=CAT))["id"]
        executor.hold(at_step=2)
        job = ok(await ada.post("/jobs", json=CAT), 202)["id"]
        async with asyncio.timeout(5):
            while ok(await ada.get(f"/jobs/{job}"))["status"] != "running":
                await asyncio.sleep(0.01)
        yield Two(ada, bob, image, job)
        executor.release()


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("GET", "/jobs/{job}", None),
        ("GET", "/jobs/{job}/events", None),
        ("DELETE", "/jobs/{job}", None),
        ("GET", "/images/{image}", None),
        ("GET", "/images?before={image}", None),
        ("GET", "/download/{image}", None),
        ("DELETE", "/images/{image}", None),
        ("POST", "/refine", {"id": "{image}", "prompt": "warmer"}),
        ("POST", "/jobs", {"id": "{image}", "prompt": "warmer"}),
        ("POST", "/refine", {"id": "{image}", "prompt": " "}),
        ("GET", "/download/{image}?proof=x", None),
        ("POST", "/images/{image}/vary", None),
        ("POST", "/images/{image}/again", None),
        ("POST", "/jobs/{job}/again", None),
        ("GET", "/history?before={job}", None),
        ("POST", "/chat", {"text": "warmer", "image": "{image}"}),
        ("POST", "/chat", {"text": "/refine {image} warmer"}),
    ],
)
async def test_what_others_made_is_as_if_it_were_not_there(
    limner: OpenLimner, method: str, path: str, fields: Answer | None
) -> None:
    async with two(limner) as people:

        async def ask(job: str, image: str) -> Answer:
            filled = fields and {name: value.format(image=image) for name, value in fields.items()}
            async with asyncio.timeout(5):
                response = await people.bob.request(method, path.format(job=job, image=image), json=filled)
            return problem(response, 404, "not_found")

        assert await ask(people.job, people.image) == await ask(UNKNOWN, UNKNOWN)
        job = ok(await people.ada.get(f"/jobs/{people.job}"))
        image = ok(await people.ada.get(f"/images/{people.image}"))
        jobs = ok(await people.ada.get("/status"))["jobs"]

    assert job["status"] == "running"
    assert image["children"] == []
    assert (jobs["done"], jobs["running"], jobs["queued"]) == (1, 1, 0)


async def test_each_key_lists_its_own_images_and_their_children_alone(limner: OpenLimner) -> None:
    made: dict[str, list[str]] = {}
    listed: dict[str, list[str]] = {}
    async with limner() as service:
        for key in (ADA, BOB):
            async with client_of(service, ADA, BOB, key=key) as client:
                parent = ok(await client.post("/generate", json=CAT))["id"]
                child = ok(await client.post("/refine", json={"id": parent, "prompt": "warmer"}))["id"]
                assert ok(await client.get(f"/images/{parent}"))["children"] == [child]
                made[key] = [child, parent]
        for key in (ADA, BOB):
            async with client_of(service, ADA, BOB, key=key) as client:
                listed[key] = [image["id"] for image in ok(await client.get("/images"))["images"]]

    assert listed == made


async def test_a_key_still_opens_its_own_images_after_a_restart_with_other_keys(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service, ADA, key=ADA) as ada:
        image = ok(await ada.post("/generate", json=CAT))["id"]
    async with limner() as service, client_of(service, BOB, "new", ADA, key=ADA) as ada:
        ok(await ada.get(f"/images/{image}"))
    async with limner() as service, client_of(service, BOB, key=ADA) as ada:
        refused(await ada.get(f"/images/{image}"))


async def test_keys_that_begin_alike_are_different_keys(limner: OpenLimner) -> None:
    keys = ["cat", "cat-in-a-hat", "cat-in"]
    async with limner() as service:
        images = {}
        for key in keys:
            async with client_of(service, *keys, key=key) as client:
                images[key] = ok(await client.post("/generate", json=CAT))["id"]
        for key in keys:
            async with client_of(service, *keys, key=key) as client:
                seen = [image["id"] for image in ok(await client.get("/images"))["images"]]
                assert seen == [images[key]]
        for key in ("ca", "cat-", "cat-in-a-hats"):
            async with client_of(service, *keys, key=key) as client:
                refused(await client.get("/images"))


async def test_no_answer_and_no_line_of_the_log_holds_a_key(limner: OpenLimner) -> None:
    asked = [
        ("POST", "/generate", CAT),
        ("POST", "/generate", CAT | {"width": "wide"}),
        ("POST", "/jobs", CAT),
        ("GET", "/images", None),
        ("GET", f"/images/{UNKNOWN}", None),
        ("GET", "/status", None),
        ("GET", "/nothing", None),
        ("PUT", "/jobs", None),
        *(("GET", path, None) for path in OPEN),
    ]
    told: list[str] = []
    wrong = "eve-90ab12"
    with capture_logs() as log:
        async with limner() as service:
            for key in (ADA, BOB, wrong):
                async with client_of(service, ADA, BOB, key=key) as client:
                    for method, path, fields in asked:
                        response = await client.request(method, path, json=fields)
                        told += [response.text, str(response.headers)]

    assert any(line["event"] == "job done" for line in log)
    for line in (*told, *map(str, log)):
        assert not any(key in line for key in (ADA, BOB, wrong)), line


async def test_without_keys_everybody_is_one_whatever_they_send(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as nobody, client_of(service, key="some key") as somebody:
        image = ok(await nobody.post("/generate", json=CAT))["id"]
        assert [found["id"] for found in ok(await somebody.get("/images"))["images"]] == [image]
        ok(await somebody.post("/refine", json={"id": image, "prompt": "warmer"}))


async def test_images_made_without_keys_are_nobodys_once_keys_are_set(limner: OpenLimner) -> None:
    async with limner() as service:
        async with client_of(service) as client:
            image = ok(await client.post("/generate", json=CAT))["id"]
        async with client_of(service, ADA, key=ADA) as ada:
            problem(await ada.get(f"/images/{image}"), 404, "not_found")
            assert ok(await ada.get("/images")) == {"images": []}


async def test_a_key_is_asked_for_before_a_body_is_judged(limner: OpenLimner) -> None:
    async with limner() as service, stranger(service) as client:
        bodies: list[object] = [{}, {"prompt": ""}, {"id": UNKNOWN, "prompt": "warmer"}, []]
        for body in bodies:
            for path in ("/generate", "/refine", "/jobs"):
                refused(await client.post(path, json=body))


async def test_the_description_of_the_service_holds_no_key(limner: OpenLimner) -> None:
    async with limner() as service:
        assert ADA not in json.dumps(build(service, [ADA]).openapi())
