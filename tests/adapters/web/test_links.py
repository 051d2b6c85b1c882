"""Links that show one image to whoever has them, without a key."""

import re

import httpx
import pytest

from bot.policy import Asker
from bot.service import Service
from tests.adapters.web.clients import client_of, ok, problem
from tests.conftest import OpenLimner
from tests.fakes.executor import png

KEY = "ada-5f2c9e"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
PUBLIC = "http://limner"
#: Of another platform, and in private, where nobody else may see it.
ANN = Asker("test:ann", "test:studio", private=True, age_restricted=True)


async def linked(service: Service) -> tuple[str, str]:
    """An image of Ann's, and the address that shows it."""
    image = await service.bring(png(), ANN)
    link = service.link(image)
    assert link is not None
    return image.id, link


def stranger(service: Service) -> httpx.AsyncClient:
    return client_of(service, KEY)


async def test_a_link_shows_its_image_without_a_key(limner: OpenLimner) -> None:
    async with limner(public_url=PUBLIC) as service, stranger(service) as client:
        image_id, link = await linked(service)
        response = await client.get(link)
        with_a_key = await client.get(link, headers={"Authorization": f"Bearer {KEY}"})

    assert response.status_code == 200
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-disposition"] == f'attachment; filename="{image_id}.png"'
    assert response.content == with_a_key.content == png()


async def test_without_a_proof_a_key_is_asked_for_as_ever(limner: OpenLimner) -> None:
    async with limner(public_url=PUBLIC) as service, stranger(service) as client:
        image_id, _ = await linked(service)
        problem(await client.get(f"/download/{image_id}"), 401, "unauthorized")
        keyed = await client.get(f"/download/{image_id}", headers={"Authorization": f"Bearer {KEY}"})
        problem(keyed, 404, "not_found")


@pytest.mark.parametrize(
    "wrong", ["", "x", "{proof}x", "{cut}", "{proof}%3D", "%00", "%ff", "%F0%9F%90%88", "a" * 5000]
)
async def test_a_wrong_proof_finds_the_same_as_an_image_that_there_is_not(limner: OpenLimner, wrong: str) -> None:
    async with limner(public_url=PUBLIC) as service, stranger(service) as client:
        image_id, link = await linked(service)
        proof = link.partition("?proof=")[2]
        query = wrong.format(proof=proof, cut=proof[:-1])
        answers = [
            problem(await client.get(f"/download/{found}?proof={query}", headers=headers), 404, "not_found")
            for found in (image_id, UNKNOWN, "cat")
            for headers in ({}, {"Authorization": f"Bearer {KEY}"})
        ]

    assert all(answer == answers[0] for answer in answers)


async def test_a_proof_shows_no_other_image_and_opens_no_other_door(limner: OpenLimner) -> None:
    async with limner(public_url=PUBLIC) as service, stranger(service) as client:
        image_id, link = await linked(service)
        other_id, _ = await linked(service)
        proof = link.partition("?proof=")[2]

        problem(await client.get(f"/download/{other_id}?proof={proof}"), 404, "not_found")
        for method, path in (("GET", "/images"), ("GET", f"/images/{image_id}"), ("DELETE", f"/images/{image_id}")):
            problem(await client.request(method, path, params={"proof": proof}), 401, "unauthorized")
        assert (await client.get(link)).status_code == 200


async def test_a_link_to_an_image_that_was_deleted_finds_nothing(limner: OpenLimner) -> None:
    async with limner(public_url=PUBLIC) as service, stranger(service) as client:
        image_id, link = await linked(service)
        await service.delete(image_id, ANN)
        deleted = problem(await client.get(link), 404, "not_found")
        assert deleted == problem(await client.get(f"/download/{UNKNOWN}?proof=x"), 404, "not_found")


async def test_a_link_to_an_image_whose_file_is_lost_says_so(limner: OpenLimner) -> None:
    async with limner(public_url=PUBLIC) as service, stranger(service) as client:
        image_id, link = await linked(service)
        service.file(await service.image(image_id, ANN)).unlink()
        problem(await client.get(link), 410, "image_file_lost")


async def test_the_description_of_the_service_tells_of_the_proof(limner: OpenLimner) -> None:
    async with limner() as service, stranger(service) as client:
        download = ok(await client.get("/openapi.json"))["paths"]["/download/{image_id}"]["get"]

    assert [(parameter["name"], parameter["required"]) for parameter in download["parameters"]] == [
        ("image_id", True),
        ("proof", False),
    ]
    assert re.search(r"\bproof\b", download["description"])
