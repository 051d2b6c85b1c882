"""Files that were sent to Discord; their links expire."""

from typing import TYPE_CHECKING

from aiohttp import web

from tests.fakes.discord.messages import FakeAttachment, Upload

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord

#: Seconds for which a link is good.
LINK_LIFETIME = 24 * 3600
PATH = "/cdn/attachments/{channel_id}/{attachment_id}/{filename}"


class Cdn:
    def __init__(self, fake: "FakeDiscord") -> None:
        self._fake = fake
        self._files: dict[int, FakeAttachment] = {}
        #: Paths that were asked for.
        self.asked_for: list[str] = []

    def keep(self, upload: Upload, channel_id: int, description: str | None = None) -> FakeAttachment:
        attachment_id = self._fake.clock.snowflake()
        expires = int(self._fake.clock.now()) + LINK_LIFETIME
        path = PATH.format(channel_id=channel_id, attachment_id=attachment_id, filename=upload.name)
        attachment = FakeAttachment(
            id=attachment_id,
            filename=upload.name,
            description=description,
            data=upload.data,
            content_type=upload.content_type or None,
            url=f"{self._fake.url}{path}?ex={expires:x}&is={expires - LINK_LIFETIME:x}&hm={attachment_id:064x}&",
            pixels=FakeAttachment.pixels_of(upload.data, upload.content_type),
        )
        self._files[attachment_id] = attachment
        return attachment

    def lose_all(self) -> None:
        """What was sent before is gone."""
        self._files.clear()

    async def serve(self, request: web.Request) -> web.Response:
        self.asked_for.append(request.path)
        attachment = self._files.get(int(request.match_info["attachment_id"]))
        good = int(request.query.get("ex", "0"), 16) >= self._fake.clock.now()
        if attachment is None or not good:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=attachment.data, content_type=attachment.content_type or "application/octet-stream")
