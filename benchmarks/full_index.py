"""A large index as years of serving leave it: some requesters and spaces have very much in it, most have little.

Rows are written in bulk, and are those that the stores would write.
"""

import asyncio
import json
import random
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from bot.jobs import Image, ImageRequest, Job, Message, Recipe, Refinement, Sampler, Stage
from bot.policy import Rules
from bot.quality import Menu
from storage import rules
from storage.database import Database
from storage.files import file_of
from storage.images import image_values
from storage.jobs import job_values
from storage.messages import message_values

#: Of each space, in turn.
PLATFORMS = ("discord", "discord", "slack", "slack", "web")
SPACES, REQUESTERS, CHANNELS, PROMPTS = 400, 20_000, 20, 500
#: In this one all is for adults; all that this requester makes is private.
ADULTS, SECRETIVE = 5, 1
#: Parts of all jobs that the first space and the first requester of a platform have.
MOST_OF_SPACE, MOST_OF_REQUESTER = 0.3, 0.2
#: The newest image's time, and how long ago the first one was made, in seconds.
NOW, AGE = 1_800_000_000.0, 2 * 365 * 86400.0
#: Jobs that ended last and that nobody was told of yet.
OWED = 200
#: Jobs whose rows are written at once.
TOGETHER = 10_000
PROMPT = "a limner who paints a cat in a red hat, by candle light, oil on wood, visible strokes, number {}"

#: Of the usual lengths; only their adapters read them.
ORIGIN = json.dumps({"channel_id": 10**18, "guild_id": 10**18, "asked_by": 10**18, "locale": "en", "token": "t" * 200})
NOTE = json.dumps({"way": "channel", "channel_id": 10**18, "message_id": 10**18, "gone": "", "sent": True})
#: Stands for a parent that is not chosen yet.
NOBODY = str(uuid.UUID(int=0))

Values = dict[str, Any]


@dataclass(slots=True)
class Full:
    """What is in the index, to ask for."""

    images: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    queued: list[str] = field(default_factory=list)
    #: Every hundredth, with the image that it shows.
    messages: list[tuple[str, Message]] = field(default_factory=list)
    #: Of each space, the newest image and the one that most others were refined from.
    newest: dict[str, str] = field(default_factory=dict)
    popular: dict[str, str] = field(default_factory=dict)


def fill(path: Path, images: int, queued: int) -> Full:
    """Creates the index."""
    asyncio.run(_create(path))
    full, chance = Full(), random.Random(images)
    with closing(sqlite3.connect(path)) as connection:
        # It is thrown away, should this fail.
        for pragma in ("synchronous = OFF", "journal_mode = OFF", "cache_size = -2000000", "locking_mode = EXCLUSIVE"):
            connection.execute(f"PRAGMA {pragma}")
        indices = _without_indices(connection)
        rest = _jobs(full, chance, images, queued)
        while some := list(islice(rest, TOGETHER)):
            _write(connection, some)
        _write(connection, _rules(chance))
        for sql in indices:
            connection.execute(sql)
    return full


async def _create(path: Path) -> None:
    async with Database.open(path, now=NOW - AGE):
        pass


def _without_indices(connection: sqlite3.Connection) -> list[str]:
    """How to make them anew. Row by row they would take longer than all else."""
    made = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY rowid"
    indices = connection.execute(made).fetchall()
    for name, _ in indices:
        connection.execute(f"DROP INDEX {name}")
    return [sql for _, sql in indices]


def _write(connection: sqlite3.Connection, some: Sequence[dict[str, list[Values]]]) -> None:
    with connection:
        for table in ("jobs", "images", "deliveries", "messages", "rules", "blocks"):
            rows = [row for tables in some for row in tables.get(table, ())]
            if rows:
                names = rows[0].keys()
                connection.executemany(
                    f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})", rows
                )


def _rules(chance: random.Random) -> list[dict[str, list[Values]]]:
    """Of every space, and ten blocks in each."""
    return [
        {
            "rules": [{"space": space, **rules.values(Rules(jobs_each=200, images_most=4))}],
            "blocks": [
                {"space": space, "requester": f"{space.partition(':')[0]}:bad {number}"} for number in range(10)
            ],
        }
        for space in map(space_of, range(SPACES))
    ]


def space_of(number: int) -> str:
    return f"{PLATFORMS[number % len(PLATFORMS)]}:space {number}"


def requester_of(space: str, number: int) -> str:
    return f"{space.partition(':')[0]}:{number}"


@dataclass(frozen=True, slots=True)
class Drawn:
    """Who asks next, and where."""

    space: int
    requester: int
    #: A number of PICTURES and REQUESTS.
    prompt: int
    created_at: float


def _drawn(chance: random.Random, at: Iterator[float]) -> Iterator[Drawn]:
    spaces, requesters = _shares(SPACES, MOST_OF_SPACE), _shares(REQUESTERS, MOST_OF_REQUESTER)
    for created_at in at:
        (space,) = chance.choices(range(SPACES), cum_weights=spaces)
        (requester,) = chance.choices(range(REQUESTERS), cum_weights=requesters)
        yield Drawn(space, requester, chance.randrange(PROMPTS), created_at)


def _shares(number: int, most: float) -> list[float]:
    """Cumulative: the first has that part, the others share the rest as words share a text."""
    others = [1 / (rank + 10) for rank in range(1, number)]
    scale = (1 - most) / sum(others)
    return list(accumulate([most, *(weight * scale for weight in others)]))


def _jobs(full: Full, chance: random.Random, images: int, queued: int) -> Iterator[dict[str, list[Values]]]:
    """Those that are over, then those that wait; of each its rows by table."""
    # Of twenty jobs one brings nothing, and two bring four.
    expected = round(images / 1.25)
    over = _drawn(chance, (NOW - AGE * max(0.0, 1 - number / expected) ** 2 for number in range(2 * expected)))
    for number, drawn in enumerate(over):
        if len(full.images) >= images:
            break
        yield _over(full, chance, drawn, number)
    for drawn in _drawn(chance, (NOW + number / queued for number in range(queued))):
        yield _waiting(full, chance, drawn)


def _over(full: Full, chance: random.Random, drawn: Drawn, number: int) -> dict[str, list[Values]]:
    if number % 20 == 19:
        status = "failed" if number % 40 == 39 else "cancelled"
        job, _ = _job(full, chance, drawn, status, [_id(chance)])
        return {"jobs": [job], "deliveries": _delivery(job, "delivered")}
    ids = [_id(chance) for _ in range(4 if number % 10 == 0 else 1)]
    job, parent = _job(full, chance, drawn, "done", ids)
    images = [_image(job, drawn, parent, image_id) for image_id in ids]
    full.jobs.append(job["id"])
    full.images += ids
    full.newest[job["space"]] = ids[0]
    full.popular.setdefault(job["space"], ids[0])
    if not job["origin"] or drawn.created_at > NOW - OWED:
        return {"jobs": [job], "images": images, "deliveries": _delivery(job, "owed")}
    shown = _message(job, chance)
    if number % 100 == 0:
        full.messages.append((ids[0], shown))
    messages = [message_values(shown) | {"image_id": image_id} for image_id in ids]
    return {"jobs": [job], "images": images, "deliveries": _delivery(job, "delivered"), "messages": messages}


def _waiting(full: Full, chance: random.Random, drawn: Drawn) -> dict[str, list[Values]]:
    job, _ = _job(full, chance, drawn, "queued", [_id(chance)])
    full.queued.append(job["id"])
    return {"jobs": [job], "deliveries": _delivery(job, "owed")}


def _job(full: Full, chance: random.Random, drawn: Drawn, status: str, ids: list[str]) -> tuple[Values, str | None]:
    """And the image that it refines."""
    space = space_of(drawn.space)
    parent = None
    if chance.random() < 0.25 and space in full.newest:
        parent = (full.newest if chance.random() < 0.99 else full.popular)[space]
    request = REQUESTS[drawn.prompt][parent is not None]
    private = drawn.requester == SECRETIVE or chance.random() < 0.1
    closed = chance.random() < 0.05
    over = None if status == "queued" else drawn.created_at
    job = {
        **request,
        "id": _id(chance),
        "requester": requester_of(space, drawn.requester),
        "space": space,
        "audience": "" if private else f"{space}/closed" if closed else space,
        "age_restricted": drawn.space == ADULTS or chance.random() < 0.05,
        "origin": "" if space.startswith("web:") else ORIGIN,
        "request": request["request"] if parent is None else request["request"].replace(NOBODY, parent),
        "image_ids": json.dumps(ids),
        "status": status,
        "attempts": 0 if over is None else 1,
        "created_at": drawn.created_at,
        "started_at": None if over is None else over + 1,
        "finished_at": None if over is None else over + 5,
        "failure_code": "internal_error" if status == "failed" else None,
        "failure_detail": "The picture could not be kept." if status == "failed" else None,
    }
    return job, parent


def _delivery(job: Values, state: str) -> list[Values]:
    if not job["origin"]:
        return []
    return [{"job_id": job["id"], "platform": job["space"].partition(":")[0], "state": state, "note": NOTE}]


def _image(job: Values, drawn: Drawn, parent: str | None, image_id: str) -> Values:
    return {
        **IMAGES[drawn.prompt],
        "id": image_id,
        "job_id": job["id"],
        "requester": job["requester"],
        "space": job["space"],
        "audience": job["audience"],
        "age_restricted": job["age_restricted"],
        "parent_id": parent,
        "file": file_of(image_id),
        "sha256": image_id.replace("-", "") * 2,
        "created_at": job["finished_at"],
    }


def _message(job: Values, chance: random.Random) -> Message:
    channel = f"{job['space']}, channel {chance.randrange(CHANNELS)}"
    thread = f"thread {chance.randrange(1000)}" if chance.random() < 0.3 else ""
    platform = job["space"].partition(":")[0]
    return Message(platform=platform, space=job["space"], channel=channel, message_id=_id(chance), thread=thread)


def _id(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _picture(prompt: str) -> Image:
    recipe = Recipe(
        stage=Stage.BASE,
        model="stabilityai/stable-diffusion-xl-base-1.0",
        prompt=prompt,
        negative_prompt=None,
        width=1024,
        height=1024,
        seed=7,
        sampler=Sampler.EULER,
        num_inference_steps=30,
        guidance_scale=5.0,
        versions={"torch": "2.13.0", "diffusers": "0.42.1"},
    )
    return Image(
        id="",
        job_id=None,
        requester="",
        space="",
        parent_id=None,
        file="",
        sha256="",
        size=1_400_000,
        width=recipe.width,
        height=recipe.height,
        recipe=recipe,
        created_at=0,
    )


def _asked(request: ImageRequest | Refinement) -> Values:
    return job_values(Job(id="", requester="", space="", origin="", request=request, image_ids=(), created_at=0))


def _requests(picture: Image) -> tuple[Values, Values]:
    """From words, and from an image."""
    assert picture.recipe is not None
    prompt, menu = picture.recipe.prompt, Menu()
    refinement = Refinement(image_id=NOBODY, prompt=prompt, seed=7)
    words = ImageRequest(prompt=prompt, seed=7)
    return _asked(menu.filled_in(words)), _asked(menu.filled_in_for(refinement))


PICTURES = [_picture(PROMPT.format(number)) for number in range(PROMPTS)]
#: What differs from job to job and from image to image is put in later: writing JSON a million times takes minutes.
REQUESTS = [_requests(picture) for picture in PICTURES]
IMAGES = [image_values(picture) for picture in PICTURES]
