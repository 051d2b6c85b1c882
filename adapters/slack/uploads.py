"""Images -> files on Slack that no channel shows yet, and what Slack says of them."""

import asyncio

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.mishaps import Passing, Unreachable
from adapters.slack.mishaps import told_apart
from adapters.slack.mrkdwn import plain

#: Of a file; the image block has the longer one.
ALT_TEXT_MOST = 1000
#: Seconds for the bytes of one file.
UPLOAD_MOST = 120.0
#: Seconds between two looks, and in all, until Slack has processed a file.
LOOKS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)


async def uploaded(
    client: AsyncWebClient, name: str, content: bytes, alt_text: str, *, channel: str | None = None
) -> str:
    """The file's ID; without a channel nobody sees it yet. Raises Passing or Unreachable."""
    with told_apart():
        begun = await client.files_getUploadURLExternal(
            filename=name, length=len(content), alt_txt=plain(alt_text, ALT_TEXT_MOST)
        )
        timeout = aiohttp.ClientTimeout(total=UPLOAD_MOST)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(begun["upload_url"], data=content) as response,
        ):
            if response.status != 200:
                raise Passing(f"Slack answered {response.status} to the file.")
        file_id = str(begun["file_id"])
        await client.files_completeUploadExternal(files=[{"id": file_id, "title": name}], channel_id=channel)
    return file_id


async def until_processed(client: AsyncWebClient, file_id: str) -> None:
    """Raises Passing where it takes Slack too long."""
    for pause in LOOKS:
        with told_apart():
            file = (await client.files_info(file=file_id))["file"]
        if file.get("mimetype"):
            return
        await asyncio.sleep(pause)
    raise Passing("Slack has not processed the file yet.")


async def shared_as(client: AsyncWebClient, file_id: str, channel: str) -> str | None:
    """The ts of the message that shows the file in this channel; None where none does. Raises Passing."""
    try:
        with told_apart():
            file = (await client.files_info(file=file_id))["file"]
    except Unreachable:
        return None
    shares = file.get("shares") or {}
    for kind in ("public", "private"):
        for share in shares.get(kind, {}).get(channel, []):
            return str(share["ts"])
    return None
