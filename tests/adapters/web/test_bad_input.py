"""What nobody should send: each is told kindly what is allowed, and nothing of it is accepted."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from adapters.web.access import LOCAL
from adapters.web.bodies import GenerateBody, RefineBody
from adapters.web.body_limit import BYTES_MAX
from bot.jobs import Sampler
from bot.service import Service
from tests.adapters.web.clients import Answer, client_of, ok, problem, served
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor, png

UNKNOWN = "00000000-0000-4000-8000-000000000000"
CAT: Answer = {"prompt": "a cat"}
WARMER: Answer = {"prompt": "warmer"}
JSON = {"Content-Type": "application/json"}

NAN, INFINITY = float("nan"), float("inf")
#: As long as Python reads them; and what no float can hold.
HUGE = 10**4000
HALF_A_PAIR = "a \ud83d cat"
TEXT = "valid string"
WHOLE = "valid integer"
FINITE = "finite number"
NUMBER = "valid number"
SIDE = "a multiple of 8 from 64 to 2048"


def wrong(field: str, says: str, **values: Any) -> Iterator[Any]:
    """Cases: each value of the field is refused in words that hold `says`."""
    for name, value in values.items():
        yield pytest.param({field: value}, field, says, id=f"{field}-{name}")


#: Of the fields that a picture from words and a refinement share.
WRONG_IN_BOTH = [
    *wrong("prompt", "The prompt is empty", empty="", white_space=" \t\n\u3000", nul="\0", controls="\0\x1b\r"),
    *wrong("prompt", "up to 2000 characters", too_long="x" * 2001, white_space_too_long=" " * 1999 + "ab"),
    *wrong("prompt", TEXT, null=None, number=3, boolean=True, list=["a cat"], object={"a": "cat"}),
    *wrong("prompt", "broken Unicode", half_a_pair=HALF_A_PAIR, nothing_but_half_a_pair="\udc08"),
    *wrong("negative_prompt", "up to 2000 characters", too_long="x" * 2001),
    *wrong("negative_prompt", TEXT, number=0, boolean=False, list=[]),
    *wrong("negative_prompt", "broken Unicode", half_a_pair=HALF_A_PAIR),
    *wrong("num_inference_steps", "from 1 to 150", zero=0, negative=-1, too_many=151, huge=HUGE),
    *wrong("num_inference_steps", WHOLE, float=1.5, whole_float=2.0, string="2", boolean=True, nan=NAN, list=[2]),
    *wrong("guidance_scale", "from 0 to 30", negative=-0.1, too_much=30.001, whole_too_much=31),
    *wrong("guidance_scale", FINITE, nan=NAN, infinity=INFINITY, minus_infinity=-INFINITY),
    *wrong("guidance_scale", NUMBER, string="5", boolean=True, huge=HUGE, list=[]),
    *wrong("seed", "from 0 to 2**64-1", negative=-1, one_too_big=2**64, huge=HUGE),
    *wrong("seed", WHOLE, float=1.5, whole_float=7.0, string="7", boolean=False, object={}),
    *wrong("sampler", "or 'euler_trailing'", unknown="ddim", upper_case="EULER", empty="", number=1, list=["euler"]),
    *wrong("sampler", "broken Unicode", half_a_pair="\ud800"),
    *wrong("cfg", "not a field", unknown=7, null=None),
    *wrong("body", "not a field", named_like_the_body=1),
    *wrong("generate", "not a field", named_like_a_kind=1),
    *wrong("", "not a field", no_name=1),
]
WRONG_IN_GENERATE = [
    *(
        case
        for field in ("width", "height")
        for case in (
            *wrong(field, SIDE, off_by_one=65, too_small=56, zero=0, negative=-64, too_big=2056, huge=HUGE),
            *wrong(field, WHOLE, float=64.5, whole_float=64.0, string="64", boolean=True, nan=NAN, list=[64]),
        )
    ),
    *wrong("num_images", "from 1 to 4", zero=0, five=5, negative=-1, huge=HUGE),
    *wrong("num_images", WHOLE, float=1.0, string="2", boolean=True),
    *wrong("strength", "not a field", of_a_refinement=0.5),
]
WRONG_IN_REFINE = [
    *wrong("strength", "above 0 and up to 1", zero=0, negative=-0.5, too_much=1.0001, whole_too_much=2),
    *wrong("strength", "at least 1", less_than_a_step=0.03, hardly_anything=1e-300),
    *wrong("strength", FINITE, nan=NAN, infinity=INFINITY, minus_infinity=-INFINITY),
    *wrong("strength", NUMBER, string="0.5", boolean=True, huge=HUGE, list=[0.5]),
    *wrong("id", TEXT, null=None, number=7, list=[UNKNOWN], object={}),
    *wrong("id", "broken Unicode", half_a_pair="\ud800"),
    *wrong("width", "not a field", of_a_picture_from_words=64),
    *wrong("num_images", "not a field", of_a_picture_from_words=1),
]

refused = pytest.mark.parametrize(("fields", "field", "says"), WRONG_IN_BOTH + WRONG_IN_GENERATE)
refused_to_refine = pytest.mark.parametrize(("fields", "field", "says"), WRONG_IN_BOTH + WRONG_IN_REFINE)


@asynccontextmanager
async def nothing_accepted(limner: OpenLimner) -> AsyncIterator[tuple[Service, httpx.AsyncClient]]:
    """A client whose requests must all be refused: the executor sees nothing, and no job stands in the index."""
    executor = FakeExecutor()
    async with limner(executor) as service, client_of(service) as client:
        yield service, client
        assert not any((await service.status()).counts.values())
    assert executor.works == []


async def send(client: httpx.AsyncClient, path: str, fields: Answer) -> httpx.Response:
    """Also what httpx itself would not write: NaN, Infinity and halves of surrogate pairs."""
    return await client.post(path, content=json.dumps(fields), headers=JSON)


def tells(response: httpx.Response, field: str, says: str) -> None:
    body = problem(response, 422, "invalid_request")
    (mistake,) = body["errors"]
    assert mistake["field"] == field
    assert says in mistake["message"]
    assert field in mistake["message"]
    assert body["detail"] == mistake["message"]


@refused
async def test_a_wrong_field_of_a_picture_is_named_with_what_is_allowed(
    limner: OpenLimner, fields: Answer, field: str, says: str
) -> None:
    async with nothing_accepted(limner) as (_, client):
        for path in ("/generate", "/jobs"):
            tells(await send(client, path, CAT | fields), field, says)


@refused_to_refine
async def test_a_wrong_field_of_a_refinement_is_named_with_what_is_allowed(
    limner: OpenLimner, fields: Answer, field: str, says: str
) -> None:
    async with nothing_accepted(limner) as (service, client):
        image = await service.bring(png(), LOCAL)
        for path in ("/refine", "/jobs"):
            tells(await send(client, path, {"id": image.id} | WARMER | fields), field, says)


@pytest.mark.parametrize(
    ("path", "fields", "missing"),
    [
        ("/generate", {}, ["prompt"]),
        ("/generate", {"width": 64}, ["prompt"]),
        ("/refine", {}, ["id", "prompt"]),
        ("/refine", {"id": UNKNOWN}, ["prompt"]),
        ("/refine", {"prompt": "warmer"}, ["id"]),
        ("/jobs", {}, ["prompt"]),
        ("/jobs", {"id": UNKNOWN}, ["prompt"]),
    ],
)
async def test_fields_that_are_missing_are_named(
    limner: OpenLimner, path: str, fields: Answer, missing: list[str]
) -> None:
    async with nothing_accepted(limner) as (_, client):
        body = problem(await send(client, path, fields), 422, "invalid_request")

    assert body["errors"] == [{"field": name, "message": f"{name} is missing."} for name in missing]


@pytest.mark.parametrize("written", ["\\ud83d", "\ud83d"], ids=["escaped", "in UTF-8"])
@pytest.mark.parametrize(
    ("document", "field"),
    [
        ('{"prompt": "a %s cat"}', "prompt"),
        ('{"prompt": "a cat", "%s": 1}', "body"),
        ('{"id": "%s", "prompt": "warmer"}', "id"),
    ],
)
async def test_half_of_a_surrogate_pair_is_refused_wherever_it_stands(
    limner: OpenLimner, document: str, field: str, written: str
) -> None:
    content = (document % written).encode(errors="surrogatepass")
    async with nothing_accepted(limner) as (_, client):
        body = problem(await client.post("/jobs", content=content, headers=JSON), 422, "invalid_request")

    assert [error["field"] for error in body["errors"]] == [field]
    assert "holds broken Unicode" in body["detail"]


async def test_all_mistakes_are_told_at_once(limner: OpenLimner) -> None:
    async with nothing_accepted(limner) as (_, client):
        ranges = problem(await send(client, "/jobs", {"prompt": "", "width": 1, "seed": -1}), 422, "invalid_request")
        types = problem(await send(client, "/jobs", {"prompt": 1, "width": "1", "cfg": 1}), 422, "invalid_request")

    assert {error["field"] for error in ranges["errors"]} == {"prompt", "width", "seed"}
    assert {error["field"] for error in types["errors"]} == {"prompt", "width", "cfg"}
    for body in (ranges, types):
        assert all(error["message"] in body["detail"] for error in body["errors"])


async def test_an_unknown_sampler_is_answered_with_the_known_ones(limner: OpenLimner) -> None:
    async with nothing_accepted(limner) as (_, client):
        body = problem(await send(client, "/generate", CAT | {"sampler": "ddim"}), 422, "invalid_request")

    assert all(f"'{sampler}'" in body["detail"] for sampler in Sampler)


async def test_an_unknown_field_is_answered_with_where_the_known_ones_stand(limner: OpenLimner) -> None:
    async with nothing_accepted(limner) as (_, client):
        body = problem(await send(client, "/generate", CAT | {"cfg": 7}), 422, "invalid_request")

    assert "/openapi.json" in body["detail"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'[{"prompt": "a cat"}]', id="object in a list"),
        pytest.param(b"3", id="number"),
        pytest.param(b"true", id="boolean"),
        pytest.param(b'"a cat"', id="string"),
        pytest.param(b"NaN", id="NaN"),
    ],
)
@pytest.mark.parametrize("path", ["/generate", "/refine", "/jobs"])
async def test_a_body_that_is_no_object_is_told_what_it_must_be(limner: OpenLimner, path: str, content: bytes) -> None:
    async with nothing_accepted(limner) as (_, client):
        body = problem(await client.post(path, content=content, headers=JSON), 422, "invalid_request")

    assert body["errors"] == [{"field": "body", "message": body["detail"]}]
    assert "JSON object" in body["detail"]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "text/json",
        "json",
        "",
        None,
    ],
)
@pytest.mark.parametrize("path", ["/generate", "/refine", "/jobs"])
async def test_a_body_that_is_not_said_to_be_json_is_told_the_content_type(
    limner: OpenLimner, path: str, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    async with nothing_accepted(limner) as (service, client):
        image = await service.bring(png(), LOCAL)
        fields = CAT if path == "/generate" else WARMER | {"id": image.id}
        response = await client.post(path, content=json.dumps(fields).encode(), headers=headers)

    assert "application/json" in problem(response, 422, "invalid_request")["detail"]


@pytest.mark.parametrize(
    ("code", "content"),
    [
        pytest.param("malformed_json", b"   ", id="white space"),
        pytest.param("malformed_json", b'{"prompt": "a cat"', id="cut off"),
        pytest.param("malformed_json", b'{"prompt": "a cat"}}', id="too long"),
        pytest.param("malformed_json", b"{'prompt': 'a cat'}", id="single quotes"),
        pytest.param("malformed_json", b'{"prompt": "a cat",}', id="trailing comma"),
        pytest.param("malformed_json", b"prompt=a+cat", id="form"),
        pytest.param("malformed_json", b'{"prompt": "a\ncat"}', id="line break in a string"),
        pytest.param("malformed_json", b'{"prompt": "\\ud8"}', id="cut off escape"),
        pytest.param("malformed_request", b'{"prompt": "\xff"}', id="no UTF-8"),
        pytest.param("malformed_request", b'{"prompt": "a cat", "seed": ' + b"9" * 10_000 + b"}", id="10000 digits"),
        pytest.param("malformed_request", b"[" * 60_000, id="60000 brackets that open"),
        pytest.param("malformed_request", b"[" * 30_000 + b"]" * 30_000, id="30000 pairs of brackets"),
        pytest.param("malformed_request", b'{"prompt":' * 6_000, id="6000 braces"),
        pytest.param("body_too_large", b"[" * 100_000, id="100000 brackets"),
    ],
)
@pytest.mark.parametrize("path", ["/generate", "/refine", "/jobs"])
async def test_a_body_that_cannot_be_read_is_told(limner: OpenLimner, path: str, code: str, content: bytes) -> None:
    status, says = (413, "64 KiB") if code == "body_too_large" else (400, "JSON")
    async with nothing_accepted(limner) as (_, client):
        body = problem(await client.post(path, content=content, headers=JSON), status, code)

    assert says in body["detail"]


def padded(length: int) -> bytes:
    """A request for a picture, filled up with white space."""
    return json.dumps(CAT).encode().ljust(length)


async def in_pieces(content: bytes) -> AsyncIterator[bytes]:
    """httpx sends it in chunks, without a Content-Length."""
    for begin in range(0, len(content), 10_000):
        yield content[begin : begin + 10_000]


async def test_a_body_may_be_as_long_as_the_limit_and_no_byte_longer(limner: OpenLimner) -> None:
    async with limner() as service, served(service) as client:
        for length, status in ((BYTES_MAX, 202), (BYTES_MAX + 1, 413)):
            for content in (padded(length), in_pieces(padded(length))):
                response = await client.post("/jobs", content=content, headers=JSON)
                assert response.status_code == status
        assert sum((await service.status()).counts.values()) == 2


@pytest.mark.parametrize(
    ("header", "piece"),
    [
        pytest.param(b"Content-Length: 1000000000000", b" " * 10_000, id="with its length"),
        pytest.param(b"Transfer-Encoding: chunked", b"2710\r\n" + b" " * 10_000 + b"\r\n", id="in chunks"),
    ],
)
async def test_a_body_without_an_end_is_refused_before_its_end(limner: OpenLimner, header: bytes, piece: bytes) -> None:
    async with limner() as service, served(service) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(
            b"POST /jobs HTTP/1.1\r\nHost: limner\r\nContent-Type: application/json\r\n" + header + b"\r\n\r\n"
        )
        writer.write(piece * 7)
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"}")
        writer.close()
        ok(await client.get("/healthz"))
        assert not any((await service.status()).counts.values())

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"body_too_large"' in answer


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        pytest.param("limit=0", "limit", "greater than or equal to 1", id="limit zero"),
        pytest.param("limit=-1", "limit", "greater than or equal to 1", id="limit negative"),
        pytest.param("limit=101", "limit", "less than or equal to 100", id="limit too big"),
        pytest.param("limit=" + "9" * 400, "limit", "less than or equal to 100", id="limit huge"),
        pytest.param("limit=" + "9" * 5000, "limit", "as an integer", id="limit of 5000 digits"),
        pytest.param("limit=", "limit", WHOLE, id="limit empty"),
        pytest.param("limit=ten", "limit", WHOLE, id="limit in words"),
        pytest.param("limit=1.5", "limit", WHOLE, id="limit float"),
        pytest.param("limit=true", "limit", WHOLE, id="limit boolean"),
        pytest.param("limit=nan", "limit", WHOLE, id="limit NaN"),
        pytest.param("limit=%FF", "limit", WHOLE, id="limit no UTF-8"),
        pytest.param("limit=5&limit=x", "limit", WHOLE, id="limit twice"),
        pytest.param("before=cat&limit=0", "limit", "greater than or equal to 1", id="both wrong"),
    ],
)
async def test_a_wrong_limit_of_the_list_is_told_with_what_is_allowed(
    limner: OpenLimner, query: str, field: str, says: str
) -> None:
    async with nothing_accepted(limner) as (_, client):
        tells(await client.get(f"/images?{query}"), field, says)


@pytest.mark.parametrize(
    "image_id",
    [
        "",
        "cat",
        "null",
        "%00",
        "%FF",
        "%ED%A0%80",
        "..%2F..%2Fetc%2Fpasswd",
        "../../etc/passwd",
        UNKNOWN,
        UNKNOWN[:-1],
        UNKNOWN + "0",
        "9" * 5000,
        "'%20OR%201=1%20--",
    ],
)
async def test_a_page_after_no_image_is_not_found(limner: OpenLimner, image_id: str) -> None:
    async with nothing_accepted(limner) as (_, client):
        body = problem(await client.get(f"/images?before={image_id}"), 404, "not_found")

    assert body["detail"] == "There is no image with this ID."


@pytest.mark.parametrize(
    "image_id", ["", "cat", "\0", "../../etc/passwd", "/etc/passwd", UNKNOWN, "0" * 31, "9" * 5000, "猫", "{}", "%s"]
)
async def test_a_refinement_of_no_image_is_not_found(limner: OpenLimner, image_id: str) -> None:
    async with nothing_accepted(limner) as (_, client):
        for path in ("/refine", "/jobs"):
            body = problem(await send(client, path, WARMER | {"id": image_id}), 404, "not_found")
            assert body["detail"] == "There is no image with this ID."


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("POST", "/nothing"),
        ("GET", "/generate/a/cat"),
        ("GET", "/download"),
        ("GET", "/docs"),
        ("GET", "/redoc"),
        ("GET", "/%00"),
        ("GET", "/etc/passwd"),
    ],
)
async def test_an_unknown_route_is_answered_with_where_the_known_ones_stand(
    limner: OpenLimner, method: str, path: str
) -> None:
    async with nothing_accepted(limner) as (_, client):
        body = problem(await client.request(method, path), 404, "not_found")

    assert "/openapi.json" in body["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/generate", "POST"),
        ("PUT", "/generate", "POST"),
        ("OPTIONS", "/generate", "POST"),
        ("GET", "/refine", "POST"),
        ("GET", "/jobs", "POST"),
        ("PATCH", "/jobs", "POST"),
        ("DELETE", "/images", "GET, POST"),
        ("GET", "/chat", "POST"),
        ("POST", "/history", "GET"),
        ("DELETE", f"/download/{UNKNOWN}", "GET, HEAD"),
        ("POST", f"/download/{UNKNOWN}", "GET, HEAD"),
        ("POST", "/", "GET"),
        ("BREW", "/status", "GET"),
        ("POST", f"/images/{UNKNOWN}", "GET, DELETE"),
        ("OPTIONS", f"/jobs/{UNKNOWN}", "GET, DELETE"),
        ("POST", "/openapi.json", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_answered_with_the_right_one_and_where_it_stands(
    limner: OpenLimner, method: str, path: str, allowed: str
) -> None:
    async with nothing_accepted(limner) as (_, client):
        response = await client.request(method, path, json=CAT)
        body = problem(response, 405, "method_not_allowed")

    assert response.headers["allow"] == allowed
    assert method in body["detail"]
    assert "/openapi.json" in body["detail"]


AT_THE_LIMIT_OF_BOTH = [
    pytest.param({"prompt": "x"}, id="prompt of one character"),
    pytest.param({"prompt": "x" * 2000}, id="prompt of 2000 characters"),
    pytest.param({"prompt": "🐈" * 2000}, id="prompt of 2000 characters outside the basic plane"),
    pytest.param({"prompt": "a\0cat"}, id="prompt with NUL in it"),
    pytest.param({"negative_prompt": ""}, id="negative prompt empty"),
    pytest.param({"negative_prompt": "x" * 2000}, id="negative prompt of 2000 characters"),
    pytest.param({"num_inference_steps": 2}, id="few steps"),
    pytest.param({"num_inference_steps": 150}, id="150 steps"),
    pytest.param({"guidance_scale": 0}, id="guidance 0"),
    pytest.param({"guidance_scale": 30}, id="guidance 30"),
    pytest.param({"guidance_scale": 30.0}, id="guidance 30.0"),
    pytest.param({"guidance_scale": 1e-300}, id="guidance next to nothing"),
    pytest.param({"seed": 0}, id="seed 0"),
    pytest.param({"seed": 2**64 - 1}, id="seed 2**64-1"),
    *(pytest.param({"sampler": sampler.value}, id=sampler) for sampler in Sampler),
]


@pytest.mark.parametrize(
    "fields",
    [
        *AT_THE_LIMIT_OF_BOTH,
        pytest.param({"num_inference_steps": 1}, id="one step"),
        pytest.param({"width": 64, "height": 64}, id="smallest"),
        pytest.param({"width": 2048, "height": 2048, "num_inference_steps": 1}, id="biggest"),
        pytest.param({"width": 2048, "height": 64}, id="widest"),
        pytest.param({"width": 72}, id="width alone"),
        pytest.param({"height": 2040}, id="height alone"),
        pytest.param({"num_images": 1}, id="one image"),
        pytest.param({"num_images": 4}, id="four images"),
    ],
)
async def test_a_picture_at_the_limit_is_painted(limner: OpenLimner, fields: Answer) -> None:
    async with limner() as service, client_of(service) as client:
        ok(await send(client, "/generate", CAT | fields))
        ok(await send(client, "/jobs", CAT | fields), 202)


@pytest.mark.parametrize(
    "fields",
    [
        *AT_THE_LIMIT_OF_BOTH,
        pytest.param({"strength": 1}, id="strength 1"),
        pytest.param({"strength": 1.0}, id="strength 1.0"),
        pytest.param({"strength": 1.0, "num_inference_steps": 1}, id="strength 1 of one step"),
        pytest.param({"strength": 0.01, "num_inference_steps": 100}, id="strength of one step in 100"),
    ],
)
async def test_a_refinement_at_the_limit_is_painted(limner: OpenLimner, fields: Answer) -> None:
    async with limner() as service, client_of(service) as client:
        image = await service.bring(png(), LOCAL)
        ok(await send(client, "/refine", WARMER | {"id": image.id} | fields))
        ok(await send(client, "/jobs", WARMER | {"id": image.id} | fields), 202)


class Nonsense:
    """Random JSON: mostly near to what is meant, so that it gets past the first check."""

    FIELDS = (*(GenerateBody.model_fields | RefineBody.model_fields), "x")

    def __init__(self, seed: int, image_id: str) -> None:
        self._chance = random.Random(seed)
        self._image_id = image_id

    def request(self) -> tuple[str, bytes]:
        """A path and a body; every tenth body is cut off, or has a byte in it that nobody meant."""
        document = json.dumps(self._document(), ensure_ascii=self._chance.random() < 0.9)
        body = bytearray(document.encode(errors="surrogatepass"))
        if self._chance.random() < 0.1:
            place = self._chance.randrange(len(body))
            body[place:] = self._chance.choice([b"", bytes([self._chance.randrange(256)]) + body[place + 1 :]])
        return self._chance.choice(["/generate", "/refine", "/jobs"]), bytes(body)

    def _document(self) -> Any:
        if self._chance.random() < 0.1:
            return self._value()
        names = self._chance.sample(self.FIELDS, self._chance.randint(0, 2))
        refined = {"id": self._chance.choice([self._image_id, self._image_id, UNKNOWN])}
        meant = {"prompt": "a cat"} | (refined if self._chance.random() < 0.5 else {})
        return meant | {name: self._value() for name in names}

    def _value(self, depth: int = 0) -> Any:
        some = self._chance
        values = [
            None,
            some.random() < 0.5,
            some.randint(-2, 200),
            some.randint(-(2**70), 2**70),
            some.choice([NAN, INFINITY, -INFINITY, 1e308, -0.0, some.random(), 64.0]),
            some.choice([*Sampler, "", "cat", self._image_id, UNKNOWN, "x" * 2001]),
            "".join(chr(some.choice([some.randrange(128), some.randrange(0x110000)])) for _ in range(8)),
        ]
        if depth < 3:
            values += [
                [self._value(depth + 1) for _ in range(some.randint(0, 3))],
                {some.choice(self.FIELDS): self._value(depth + 1)},
            ]
        return some.choice(values)


@pytest.mark.slow
async def test_500_random_requests_are_each_painted_or_refused_with_a_code(limner: OpenLimner) -> None:
    answers = {200: 0, 202: 0, 400: 0, 404: 0, 422: 0}
    async with limner(queue_limit=1000) as service, client_of(service) as client:
        nonsense = Nonsense(seed=20, image_id=(await service.bring(png(), LOCAL)).id)
        for _ in range(500):
            path, body = nonsense.request()
            response = await client.post(path, content=body, headers=JSON)
            assert response.status_code in answers, (path, body, response.text)
            answers[response.status_code] += 1
            if response.status_code >= 400:
                problem(response, response.status_code, response.json()["code"])

    assert all(answers.values()), f"some kind of answer was never tried: {answers}"
