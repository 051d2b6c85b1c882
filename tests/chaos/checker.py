"""Holds every promise against what others can see: the platforms' record, what people were told, index and folder.

It knows the product by its files and messages alone: the SQL is its own, and nothing of the program is imported.
"""

import asyncio
import hashlib
import json
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.chaos.people import Told
from tests.chaos.record import AGAIN, CANCEL, SHOW, Place, Shown, on_discord, on_slack
from tests.chaos.worker import POISON, TOO_LARGE
from tests.chaos.world import DATABASE, World
from tests.fakes import discord, slack

#: Broken promises that are told of.
SHOWN = 40
#: Seconds.
LATE = 15.0
#: Seconds within which what is acknowledged is taken or answered first.
ACKNOWLEDGED_SAFE = 1.4
ENDINGS = ("done", "failed", "cancelled")
ATTEMPTS_MOST = 2
#: What is said of an image that is deleted; and where no message shows it any more.
ERASED, TAKEN_DOWN = "The image is deleted from my files", "The image is deleted, from my files and from"
OF_THE_DISK = ("disk_full", "storage_unavailable")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked for a job, where, and whether for themselves alone, as their platform knows it."""

    requester: str
    channel: str
    private: bool


async def check(world: World) -> None:
    """Once nothing is owed, and what was asked last, and waits for a platform, has had its time."""
    end = time.monotonic() + LATE
    while broken := list(Checker(world).broken()):
        if time.monotonic() > end:
            raise AssertionError("\n".join([f"{len(broken)} promises are broken:", *broken[:SHOWN], world.told()]))
        await asyncio.sleep(0.5)


class Checker:
    def __init__(self, world: World) -> None:
        self.world = world
        self.folder = world.data_dir
        with closing(sqlite3.connect(self.folder / DATABASE)) as connection:
            connection.row_factory = sqlite3.Row
            self.sound = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            self.dangling = connection.execute("PRAGMA foreign_key_check").fetchall()
            self.jobs: dict[str, Row] = {row["id"]: row for row in connection.execute("SELECT * FROM jobs")}
            self.images: dict[str, Row] = {row["id"]: row for row in connection.execute("SELECT * FROM images")}
            self.deliveries = dict(connection.execute("SELECT job_id, state FROM deliveries").fetchall())
            self.messages = connection.execute("SELECT image_id, channel, message_id FROM messages").fetchall()
        self.shown = {"discord": on_discord(world.discord), "slack": on_slack(world.slack)}

    def broken(self) -> Iterator[str]:
        """A line for each promise that was not kept."""
        yield from self.world.program.wrong
        yield from self.world.watched.illegal
        yield from self.index_and_folder()
        for job in self.jobs.values():
            yield from self.ending(job)
            yield from self.delivery(job)
        yield from self.nobodys()
        yield from self.erased()
        yield from self.taken_on_discord()
        yield from self.taken_on_slack()
        for told in self.world.over_http.told.values():
            yield from self.taken_over_http(told)

    # Index and folder

    def index_and_folder(self) -> Iterator[str]:
        if self.sound != ["ok"] or self.dangling:
            yield f"the index is damaged: {self.sound} {self.dangling}"
        images = self.folder / "images"
        for row in self.images.values():
            path = images / row["file"]
            content = path.read_bytes() if path.is_file() else b""
            if (len(content), hashlib.sha256(content).hexdigest()) != (row["size"], row["sha256"]):
                yield f"{row['file']} is not the file that the index says it is"
        named = {row["file"] for row in self.images.values()}
        there = {path.relative_to(images).as_posix() for path in images.rglob("*") if path.is_file()}
        for stray in there - named:
            yield f"{stray} lies in the image folder and belongs to nobody: {self._told_of(Path(stray).stem)}"

    def _told_of(self, image_id: str) -> list[tuple[str, str, int]]:
        """The jobs that were to paint an image."""
        found = [job for job in self.jobs.values() if image_id in job["image_ids"]]
        return [(job["id"], job["status"], job["attempts"]) for job in found]

    # Jobs

    def ending(self, job: Row) -> Iterator[str]:
        name = f"{job['id']} ({prompt_of(job)!r}, {job['status']}, {job['attempts']} attempts)"
        rows = {row["id"] for row in self.images.values() if row["job_id"] == job["id"]}
        wanted = set(json.loads(job["image_ids"]))
        if job["status"] not in ENDINGS:
            yield f"{name} never ended"
        if job["attempts"] > ATTEMPTS_MOST:
            yield f"{name} was tried too often"
        if job["status"] == "done" and not rows <= wanted <= rows | self._perhaps_erased:
            yield f"{name} is done, with {rows} of the images {wanted}"
        if job["status"] != "done" and rows:
            yield f"{name} has images: {rows}"
        if POISON in prompt_of(job) and job["status"] == "done":
            yield f"{name} cannot be painted"
        if job["status"] == "failed" and not self._has_reason(job):
            yield f"{name} failed without a reason: {job['failure_code']} ({job['failure_detail']})"

    def _has_reason(self, job: Row) -> bool:
        match job["failure_code"]:
            case "worker_died":
                has_reason = POISON in prompt_of(job) or job["id"] in self.world.watched.doomed
                return has_reason and job["attempts"] == ATTEMPTS_MOST
            case "out_of_memory":
                return TOO_LARGE in prompt_of(job)
            case "image_gone":
                return json.loads(job["request"])["image_id"] not in self.images
            case code:
                return code in OF_THE_DISK and self.world.was_full

    # Deliveries

    def delivery(self, job: Row) -> Iterator[str]:
        if not job["origin"]:
            return
        if self.deliveries.get(job["id"]) != "delivered":
            yield f"the delivery of {job['id']} is {self.deliveries.get(job['id'])}"
        yield from self._left_behind(job)
        if job["status"] != "done":
            told = [one for one in self._shown(job) if (AGAIN, job["id"]) in one.buttons and not one.is_gone]
            yield from self._once(job, told, "its ending")
            return
        for image_id in json.loads(job["image_ids"]):
            if image_id in self.images:
                yield from self._once(job, self._showing.get(image_id, []), image_id)

    def _left_behind(self, job: Row) -> Iterator[str]:
        """On Slack nobody can find a message again that was posted and not noted; nor an answer whose token died."""
        if job["requester"].startswith("discord:"):
            left = [one for one in self._shown(job) if (CANCEL, job["id"]) in one.buttons and not one.is_gone]
            yield from (f"{job['id']} still waits in {one.place}" for one in left if not one.place.is_answer)

    def _once(self, job: Row, showing: Sequence[Shown], what: str) -> Iterator[str]:
        told = f"{job['id']} ({prompt_of(job)!r}, {job['status']}) has {what}"
        if len(showing) != 1 and not (not showing and self._is_offered(job)):
            yield f"{told} shown {len(showing)} times: {[one.place for one in showing]}"
        for one in showing:
            if not self._may_see(job, one.place):
                yield f"{told} shown in the wrong place: {one.place}, {self._asker(job)}"
            row = (what, one.place.channel, one.message_id)
            if what in self.images and row not in self._noted and not self._is_offered(job):
                yield f"{told} shown by a message that the index does not know"

    def _is_offered(self, job: Row) -> bool:
        """Who asked can see by themselves whether it is there, and says so by a button."""
        first = json.loads(job["image_ids"])[0]
        return any((SHOW, first) in one.buttons and one.place.only == job["requester"] for one in self._shown(job))

    def _may_see(self, job: Row, place: Place) -> bool:
        asker = self._asker(job)
        if asker is None:
            return place.only in ("", job["requester"])
        if asker.requester != job["requester"]:
            return False
        return place.only == asker.requester or (not asker.private and place == Place(asker.channel, ""))

    def _asker(self, job: Row) -> Asker | None:
        """None where the platform's record does not say, as with a press on Slack."""
        if job["requester"].startswith("discord:"):
            return self._asker_on_discord(json.loads(job["origin"])["asked_by"])
        asked = self.world.on_slack.asked.get(prompt_of(job))
        # Who presses "Again" asks for the same words.
        if asked is None or asked.channel is None or self._first_of[prompt_of(job)] != job["id"]:
            return None
        private = "--private" in str(asked.payload.get("text"))
        return Asker(f"slack:{asked.person.id}", asked.channel.id, private)

    def _asker_on_discord(self, asked_by: int) -> Asker | None:
        message = self.world.discord.messages.get(asked_by)
        if message is not None:
            return Asker(f"discord:{message.author.id}", str(message.channel.id), False)
        asked = self._asked_on_discord.get(asked_by)
        if asked is None:
            return None
        options = {option["name"]: option["value"] for option in asked.data.get("options", ())}
        private = bool(options.get("private")) or (asked.message is not None and asked.message.ephemeral)
        return Asker(f"discord:{asked.person.id}", str(asked.channel.id), private)

    def nobodys(self) -> Iterator[str]:
        """Pictures on show that nobody asked for, or that never were."""
        owned = {image_id for job in self.jobs.values() for image_id in json.loads(job["image_ids"]) if job["origin"]}
        for image_id, showing in self._showing.items():
            if image_id not in owned:
                yield f"{image_id} is shown and belongs to nobody: {showing[0].place}"
            elif image_id not in self.images and image_id not in self._perhaps_erased:
                yield f"{image_id} is shown and is not in the index: {showing[0].place}"

    def erased(self) -> Iterator[str]:
        for crowd in (self.world.on_discord, self.world.on_slack):
            for erasure in crowd.erasures:
                if erasure.told.startswith((ERASED, TAKEN_DOWN)) and erasure.image_id in self.images:
                    yield f"{erasure.image_id} is said to be deleted and is in the index"
                if erasure.told.startswith(TAKEN_DOWN):
                    still = [one for one in self._showing.get(erasure.image_id, []) if not one.is_gone]
                    yield from (f"{erasure.image_id} is said to be taken down: {one.place}" for one in still)

    # What was told

    def taken_on_discord(self) -> Iterator[str]:
        asked_by = Counter(
            json.loads(job["origin"])["asked_by"]
            for job in self.jobs.values()
            if job["requester"].startswith("discord:")
        )
        yield from (f"{key} was taken {times} times" for key, times in asked_by.items() if times > 1)
        for asked in self.world.on_discord.asked:
            if "Your picture will be here" in asked.text and asked.id not in asked_by:
                yield f"{asked} was accepted, and there is no job"

    def taken_on_slack(self) -> Iterator[str]:
        jobs = {prompt_of(job) for job in self.jobs.values() if job["requester"].startswith("slack:")}
        for said, asked in self.world.on_slack.asked.items():
            # What takes longer is acknowledged before it is safe, as Slack waits for three seconds only.
            if asked.ack_seconds is None or asked.ack_seconds > ACKNOWLEDGED_SAFE:
                continue
            if said not in jobs and not self._was_answered(asked):
                yield f"{asked} ({said!r}) was acknowledged, and neither taken nor answered"

    def _was_answered(self, asked: slack.Asked) -> bool:
        user = f"slack:{asked.person.id}"
        return any(one.place.only == user and one.posted_at >= asked.sent for one in self.shown["slack"])

    def taken_over_http(self, told: Told) -> Iterator[str]:
        yield from told.wrong
        for job_id, prompt in told.accepted.items():
            if job_id not in self.jobs or prompt_of(self.jobs[job_id]) != prompt:
                yield f"{job_id} ({prompt!r}) was accepted over HTTP and is lost"
        for job_id in told.cancelled:
            if self.jobs[job_id]["status"] != "cancelled":
                yield f"{job_id} was said to be cancelled and is {self.jobs[job_id]['status']}"
        for job_id, images in told.done.items():
            if job_id not in self.jobs or self.jobs[job_id]["status"] != "done":
                yield f"{job_id} was said to be done and is not"
            yield from (
                f"{one} was told and is lost" for one in images if one not in self.images.keys() | self._perhaps_erased
            )
        yield from (f"{one} was said to be deleted" for one in told.erased if one in self.images)

    # Looked up often

    @cached_property
    def _showing(self) -> dict[str, list[Shown]]:
        """By image."""
        showing = defaultdict(list)
        for one in (*self.shown["discord"], *self.shown["slack"]):
            for image_id in one.image_ids:
                showing[image_id].append(one)
        return showing

    @cached_property
    def _first_of(self) -> dict[str, str]:
        """Words -> the first job that asked for them."""
        return {prompt_of(job): job["id"] for job in sorted(self.jobs.values(), key=lambda job: -job["number"])}

    @cached_property
    def _noted(self) -> set[tuple[str, str, str]]:
        return {tuple(row) for row in self.messages}

    @cached_property
    def _perhaps_erased(self) -> set[str]:
        """Somebody wanted them gone, whether anybody heard of it or not."""
        chats = (self.world.on_discord, self.world.on_slack)
        pressed = {erasure.image_id for crowd in chats for erasure in crowd.erasures}
        return pressed.union(*(told.perhaps_erased for told in self.world.over_http.told.values()))

    @cached_property
    def _asked_on_discord(self) -> dict[int, discord.Asked]:
        return {asked.id: asked for asked in self.world.discord.asked.values()}

    def _shown(self, job: Row) -> list[Shown]:
        return self.shown.get(job["requester"].partition(":")[0], [])


def prompt_of(job: Row) -> str:
    prompt: str = json.loads(job["request"])["prompt"]
    return prompt
