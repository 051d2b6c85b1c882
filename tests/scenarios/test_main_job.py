"""Type a prompt, get an image, refine it: over HTTP, against the running program."""

import hashlib
import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.scenarios.conftest import Serve, Server

pytestmark = pytest.mark.slow

SMALL = {"width": 64, "height": 64, "num_inference_steps": 2}


def test_a_picture_is_painted_refined_and_downloaded(server: Server) -> None:
    painted = server.generate(prompt="A cat in a hat", width=128, height=96, num_inference_steps=4)
    refined = server.refine(id=painted["id"], prompt="warmer light", num_inference_steps=4)

    first, second = server.download(painted["id"]), server.download(refined["id"])

    assert first != second
    for png in (first, second):
        picture = Image.open(io.BytesIO(png))
        picture.load()
        assert (picture.format, picture.size) == ("PNG", (128, 96))
    response = server.http.get(f"/download/{painted['id']}")
    assert response.headers["content-type"] == "image/png"
    assert f'filename="{painted["id"]}.png"' in response.headers["content-disposition"]


def test_the_index_tells_where_an_image_came_from(server: Server) -> None:
    painted = server.generate(prompt="a cat", **SMALL)
    refined = server.refine(id=painted["id"], prompt="snow", num_inference_steps=2)

    image = server.http.get(f"/images/{refined['id']}").json()

    assert image["parent"] == painted["id"]
    assert image["recipe"]["parent_sha256"] == hashlib.sha256(server.download(painted["id"])).hexdigest()
    assert image["sha256"] == hashlib.sha256(server.download(refined["id"])).hexdigest()
    assert server.http.get(f"/images/{painted['id']}").json()["children"] == [refined["id"]]


def test_the_events_of_a_job_tell_every_step(server: Server) -> None:
    job_id = server.accept(prompt="a cat", num_images=2, **SMALL)

    stream = server.http.get(f"/jobs/{job_id}/events").text

    names = [line.removeprefix("event: ") for line in stream.splitlines() if line.startswith("event: ")]
    told = [json.loads(line.removeprefix("data: ")) for line in stream.splitlines() if line.startswith("data: ")]
    assert names[-1] == "done"
    assert [image["id"] for image in told[-1]["images"]] == [image["id"] for image in server.job(job_id)["images"]]
    steps = [(news["image"], news["step"]) for name, news in zip(names, told, strict=True) if name == "progress"]
    assert steps == sorted(steps)
    assert [step for _, step in steps] == [2, 4], "both images step together"


def test_twenty_who_ask_at_once_each_get_their_own_image(server: Server) -> None:
    def ask(number: int) -> tuple[str, str, int]:
        painted = server.generate(prompt=f"cat number {number}", seed=number, **SMALL)
        image = server.http.get(f"/images/{painted['id']}").json()
        return image["id"], image["recipe"]["prompt"], image["recipe"]["seed"]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(20)))

    assert [answer[1:] for answer in answers] == [(f"cat number {number}", number) for number in range(20)]
    assert len({answer[0] for answer in answers}) == 20
    assert len({server.download(answer[0]) for answer in answers}) == 20


@pytest.mark.slow
def test_one_seed_and_recipe_give_the_same_pixels_also_after_a_restart(serve: Serve) -> None:
    request = {"prompt": "a cat", "seed": 2**64 - 1, "sampler": "euler_ancestral", **SMALL}
    server = serve()
    first, second = (server.generate(**request)["id"] for _ in range(2))
    pixels = [Image.open(io.BytesIO(server.download(image_id))).tobytes() for image_id in (first, second)]
    before = server.download(first)
    assert server.end()[0] == 0

    server = serve()

    again = server.generate(**request)["id"]
    pixels.append(Image.open(io.BytesIO(server.download(again))).tobytes())
    assert len(set(pixels)) == 1
    assert server.download(first) == before, "images of an earlier life are still there"
    refined = server.refine(id=first, prompt="snow", num_inference_steps=2)
    assert refined["images"][0]["parent"] == first


def test_the_serving_process_has_no_torch_in_it(server: Server) -> None:
    painted = server.generate(prompt="a cat", **SMALL)
    server.refine(id=painted["id"], prompt="snow", num_inference_steps=2)

    worker = server.worker()

    assert worker is not None
    assert has_loaded("libtorch", worker.pid), "the worker does"
    assert not has_loaded("libtorch", server.process.pid)


def test_no_module_outside_inference_brings_torch_in() -> None:
    look = (
        "import sys, bot.cli, bot.app, bot.doctor, bot.paint_here, bot.status_view\n"
        "print([name for name in ('torch', 'diffusers', 'transformers', 'numpy', 'ray') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", look], text=True) == "[]\n"


def has_loaded(library: str, pid: int) -> bool:
    return any(Path(part.path).name.startswith(library) for part in psutil.Process(pid).memory_maps())
