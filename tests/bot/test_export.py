"""The file with all that is kept of somebody."""

import io
import json
import random
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.export import Export, packed
from bot.jobs import (
    Belongings,
    Delivery,
    Failure,
    Image,
    ImageRequest,
    Job,
    JobStatus,
    Message,
    Recipe,
    Refinement,
    Sampler,
    Stage,
)

EVER = 10**9
PROMPT = "eine Katze mit Hut \N{CAT} \u05d7\u05ea\u05d5\u05dc"
NOTHING = Belongings(jobs=[], images=[], messages=[], deliveries=[])
RECIPE = Recipe(
    stage=Stage.BASE,
    model="fake",
    prompt=PROMPT,
    negative_prompt="dogs",
    width=64,
    height=64,
    seed=2**64 - 1,
    sampler=Sampler.EULER,
    num_inference_steps=30,
    guidance_scale=5.0,
    loras={"ink": 0.8},
)


def job(number: int, **more: Any) -> Job:
    plain = Job(
        id=f"job-{number}",
        requester="test:ann",
        space="test:studio",
        origin="a key",
        request=ImageRequest(prompt=PROMPT, seed=7),
        image_ids=(f"image-{number}",),
        created_at=1,
    )
    return replace(plain, **more)


def images(folder: Path, *sizes: int) -> tuple[list[Image], dict[str, Path]]:
    """With files of these sizes that cannot be packed; the oldest first, as the store has them."""
    made, files = [], {}
    for number, size in enumerate(sizes):
        path = folder / f"{number}.png"
        path.write_bytes(random.Random(number).randbytes(size))
        files[f"image-{number}"] = path
        made.append(
            Image(
                id=f"image-{number}",
                job_id=f"job-{number}",
                requester="test:ann",
                space="test:studio",
                parent_id=None,
                file=path.name,
                sha256="0" * 64,
                size=size,
                width=64,
                height=64,
                recipe=RECIPE,
                created_at=float(number),
            )
        )
    return made, files


def opened(export: Export) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(export.zip))
    assert archive.testzip() is None
    return archive


def listed(export: Export) -> Any:
    return json.loads(opened(export).read("limner.json"))


def test_all_that_is_kept_is_in_it(tmp_path: Path) -> None:
    made, files = images(tmp_path, 100, 200)
    message = Message(platform="test", space="test:studio", channel="painting", message_id="1")
    failed = job(
        2,
        request=Refinement(image_id="image-0", prompt="warmer", strength=0.3),
        status=JobStatus.FAILED,
        failure=Failure("painting_failed", "Boom"),
    )
    jobs = [job(0), job(1), failed]
    found = replace(NOTHING, jobs=jobs, images=made, messages=[message])
    export = packed(found, files, EVER)

    assert export.complete
    archive = opened(export)
    assert {name: archive.read(name) for name in archive.namelist() if name != "limner.json"} == {
        f"images/{image.id}.png": files[image.id].read_bytes() for image in made
    }
    told = listed(export)
    assert [one["request"]["prompt"] for one in told["jobs"]] == [PROMPT, PROMPT, "warmer"]
    assert told["jobs"][2]["failure"] == {"code": "painting_failed", "detail": "Boom"}
    assert told["jobs"][2]["request"]["strength"] == 0.3
    assert told["images"][0]["recipe"]["seed"] == 2**64 - 1
    assert told["images"][0]["recipe"]["loras"] == {"ink": 0.8}
    assert told["messages"] == [
        {"platform": "test", "space": "test:studio", "channel": "painting", "message_id": "1", "thread": ""}
    ]


def test_every_field_of_jobs_and_images_is_in_it_but_the_origin(tmp_path: Path) -> None:
    made, files = images(tmp_path, 1)
    told = listed(packed(replace(NOTHING, jobs=[job(0)], images=made), files, EVER))

    assert set(told["jobs"][0]) == set(Job.__slots__) - {"origin"}
    assert set(told["images"][0]) == set(Image.__slots__)


def test_no_key_to_answer_with_is_given_away() -> None:
    one = job(0, origin='{"token": "secret"}')
    delivery = Delivery(job=one, note="secret")
    export = packed(replace(NOTHING, jobs=[one], deliveries=[delivery]), {}, EVER)

    assert b"secret" not in opened(export).read("limner.json")


def test_a_person_can_read_it() -> None:
    text = opened(packed(replace(NOTHING, jobs=[job(0)]), {}, EVER)).read("limner.json").decode()

    assert PROMPT in text
    assert len(text.splitlines()) > 10


def test_of_nothing_there_is_an_empty_list() -> None:
    export = packed(NOTHING, {}, EVER)

    assert export.complete
    assert listed(export) == {"jobs": [], "images": [], "messages": [], "decisions": []}


def test_where_not_all_fits_the_newest_pictures_are_in_it_and_the_list_names_all(tmp_path: Path) -> None:
    made, files = images(tmp_path, 5_000, 5_000, 5_000, 5_000)
    export = packed(replace(NOTHING, images=made), files, 13_000)

    assert not export.complete
    assert opened(export).namelist() == ["limner.json", "images/image-3.png", "images/image-2.png"]
    assert [one["id"] for one in listed(export)["images"]] == [image.id for image in made]


def test_a_picture_that_alone_is_too_large_keeps_no_smaller_one_out(tmp_path: Path) -> None:
    made, files = images(tmp_path, 1_000, 20_000)
    export = packed(replace(NOTHING, images=made), files, 10_000)

    assert not export.complete
    assert opened(export).namelist() == ["limner.json", "images/image-0.png"]


@pytest.mark.parametrize("limit", range(2_000, 14_000, 500))
def test_it_is_never_larger_than_it_may_be(tmp_path: Path, limit: int) -> None:
    made, files = images(tmp_path, 3_000, 10, 700, 2_000, 512, 1)
    export = packed(replace(NOTHING, jobs=[job(number) for number in range(6)], images=made), files, limit)

    assert len(export.zip) <= limit


def test_a_picture_whose_file_is_gone_is_missing_and_that_is_said(tmp_path: Path) -> None:
    made, files = images(tmp_path, 100, 100, 100)
    del files["image-0"]
    # Somebody deletes it at this moment.
    files["image-1"].unlink()
    export = packed(replace(NOTHING, images=made), files, EVER)

    assert not export.complete
    assert opened(export).namelist() == ["limner.json", "images/image-2.png"]
