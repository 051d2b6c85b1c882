"""Files: how they come to Slack, when they are ready, where they are shared, and who may fetch them."""

import io
import mimetypes
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from aiohttp import web
from PIL import Image

from tests.fakes.slack.messages import FakeMessage, Json, Upload
from tests.fakes.slack.problems import Refused

if TYPE_CHECKING:
    from tests.fakes.slack.people import Person
    from tests.fakes.slack.places import Channel
    from tests.fakes.slack.requests import Request
    from tests.fakes.slack.server import FakeSlack

#: That an image block can show.
SHOWABLE = {"image/png", "image/jpeg", "image/gif"}
UPLOADS = "/files/upload/{ticket}"
PRIVATE = "/files-pri/{where}/{name}"
FILE_ID = re.compile(r"F[A-Z0-9]{9,}")


@dataclass(slots=True, eq=False)
class FakeFile:
    id: str
    name: str
    title: str
    alt_txt: str | None
    #: As announced; the bytes must be as many.
    length: int
    user: "Person" = field(repr=False)
    fake: "FakeSlack" = field(repr=False)
    created: float
    data: bytes | None = field(default=None, repr=False)
    #: The moment from which on it counts as processed; None before the upload is completed.
    ready_at: float | None = None
    deleted: bool = False
    #: Messages that show it, or that came with it.
    messages: list[FakeMessage] = field(default_factory=list, repr=False)

    @property
    def completed(self) -> bool:
        return self.ready_at is not None

    @property
    def processed(self) -> bool:
        return self.ready_at is not None and self.fake.clock.now() >= self.ready_at

    @property
    def mimetype(self) -> str:
        """Slack looks at the name alone."""
        return mimetypes.guess_type(PurePosixPath(self.name).name)[0] or "application/octet-stream"

    @property
    def pixels(self) -> tuple[int, int] | None:
        """Width and height; only a picture has them."""
        try:
            with Image.open(io.BytesIO(self.data or b"")) as picture:
                return picture.size
        except OSError:
            return None

    @property
    def shares(self) -> list[tuple["Channel", str]]:
        """Channels and the timestamps of the messages there."""
        return [(message.channel, message.ts) for message in self.messages if not message.deleted]

    @property
    def path(self) -> str:
        return PRIVATE.format(where=f"{self.fake.team.id}-{self.id}", name=self.name.lower())

    @property
    def permalink(self) -> str:
        return f"https://{self.fake.team.domain}.slack.com/files/{self.user.id}/{self.id}/{self.name.lower()}"

    def can_be_seen_by_bot(self) -> bool:
        return self.user is self.fake.bot or any(channel.has_bot for channel, _ in self.shares)


class FileHost:
    def __init__(self, fake: "FakeSlack") -> None:
        self._fake = fake
        #: By ID; those whose upload has only begun, too.
        self.files: dict[str, FakeFile] = {}
        self._tickets: dict[str, FakeFile] = {}

    # From the bot

    def begin(self, name: str, length: int, alt_txt: str | None) -> tuple[str, FakeFile]:
        """A URL to send the bytes to."""
        file = self._new(name, length, self._fake.bot, alt_txt)
        ticket = f"{file.id}{len(self.files):x}"
        self._tickets[ticket] = file
        return self._fake.url + UPLOADS.format(ticket=ticket), file

    def receive(self, request: "Request") -> web.Response:
        """The bytes."""
        file = self._tickets.get(request.args["ticket"])
        if file is None:
            return web.Response(status=404, text="not found")
        if request.verb != "POST" or len(request.data) != file.length:
            told = f"{request.verb} with {len(request.data)} bytes, POST with {file.length} was announced"
            self._fake.violations.append(f"the upload of {file.name!r}: {told}")
            return web.Response(status=400, text="bad request")
        file.data = request.data
        return web.Response(text=f"OK - {len(request.data)}")

    def complete(self, wishes: Sequence[Json], then: Callable[[Sequence[FakeFile]], None]) -> list[FakeFile]:
        """The uploads are whole. `then` is called with the files once they are processed."""
        files = [self._uploaded(wish.get("id")) for wish in wishes]
        for file, wish in zip(files, wishes, strict=True):
            file.title = wish.get("title") or file.name
            file.ready_at = self._fake.clock.now() + self._fake.file_delay
        if self._fake.file_delay > 0:
            self._fake.agenda.after(self._fake.file_delay, lambda: then(files))
        else:
            then(files)
        return files

    def _uploaded(self, file_id: Any) -> FakeFile:
        file = self.files.get(str(file_id))
        if file is None or file.user is not self._fake.bot or file.data is None or file.completed:
            raise Refused("file_not_found")
        return file

    def find(self, file_id: str) -> FakeFile:
        """One that the bot can see."""
        file = self.files.get(file_id)
        if file is None or not file.completed or not file.can_be_seen_by_bot():
            raise Refused("file_not_found")
        if file.deleted:
            raise Refused("file_deleted")
        return file

    def delete(self, file_id: str) -> None:
        file = self.find(file_id)
        if file.user is not self._fake.bot:
            raise Refused("cant_delete_file")
        file.deleted = True

    # From people

    def keep(self, upload: Upload, person: "Person") -> FakeFile:
        file = self._new(upload.name, len(upload.data), person, None)
        file.data, file.ready_at = upload.data, self._fake.clock.now()
        return file

    def _new(self, name: str, length: int, person: "Person", alt_txt: str | None) -> FakeFile:
        file = FakeFile(
            self._fake.ids.new("F"), name, name, alt_txt, length, person, self._fake, self._fake.clock.now()
        )
        self.files[file.id] = file
        return file

    # In messages

    def of_block(self, picture: Json) -> FakeFile | None:
        """The file that an image block or element shows."""
        named = picture.get("slack_file") or {}
        key = named.get("id") or next(iter(FILE_ID.findall(named.get("url", ""))), None)
        return self.files.get(key) if key else None

    def can_be_shown(self, picture: Json) -> bool:
        """Whether a block may show what it names now."""
        file = self.of_block(picture) if self._fake.blocks_show_files else None
        if file is None or file.deleted or not file.processed or not file.can_be_seen_by_bot():
            return False
        return file.mimetype in SHOWABLE

    def note(self, message: FakeMessage) -> None:
        """Shares what the message shows, as far as it is a share."""
        files = message.files if self._fake.image_blocks_share else message.contents.shared
        for file in files:
            if not message.ephemeral and message not in file.messages:
                file.messages.append(message)

    def hand_out(self, request: "Request") -> web.Response:
        """To those who may see it; all others get a page to sign in, as at Slack."""
        file = self.files.get(request.args["where"].rsplit("-", 1)[-1])
        granted = request.token == self._fake.bot_token and "files:read" in self._fake.manifest.scopes
        if file is None or file.deleted or file.data is None:
            return web.Response(status=404, text="not found")
        if not granted or not file.can_be_seen_by_bot():
            return web.Response(text="<!DOCTYPE html><title>Sign in</title>", content_type="text/html")
        return web.Response(body=file.data, content_type=file.mimetype)
