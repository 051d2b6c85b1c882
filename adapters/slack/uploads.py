"""Images -> files on Slack, and what Slack says of them."""

import asyncio
from collections.abc import Sequence

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.mishaps import Passing, Unreachable
from adapters.slack.mishaps import told_apart
from adapters.slack.mrkdwn import plain

#: Of a file; the image block has the longer one.
ALT_TEXT_MOST = 1000
#: Slack's errors for a file that was not completed, or that somebody deleted.
FILE_GONE = {"file_not_found", "file_deleted"}
#: Seconds for the bytes of one file.
UPLOAD_MOST = 120.0
#: Seconds between two looks, and in all, until Slack has processed a file.
LOOKS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)


async def begun(client: AsyncWebClient, name: str, content: bytes, alt_text: str) -> str:
    """The ID of a file whose bytes Slack has. Until it is completed it is no file. Raises Passing or Unreachable."""
    with told_apart():
        begun = await client.files_getUploadURLExternal(
            filename=name, length=len(content), alt_txt=plain(alt_text, ALT_TEXT_MOST)
        )
        timeout = aiohttp.ClientTimeout(total=UPLOAD_MOST)
        ssl = True if client.ssl is None else client.ssl
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(begun["upload_url"], data=content, proxy=client.proxy, ssl=ssl) as response,
        ):
            if response.status != 200:
                raise Passing(f"Slack answered {response.status} to the file.")
    return str(begun["file_id"])


async def completed(client: AsyncWebClient, file_id: str) -> None:
    """Nobody sees the file yet, but blocks may show it. May be repeated. Raises Passing or Unreachable."""
    try:
        with told_apart():
            await client.files_completeUploadExternal(files=[{"id": file_id}])
    except Unreachable as error:
        # It was completed before if the answer to that was lost.
        if not await _is_there(client, file_id):
            raise error from None
    await until_processed(client, file_id)


async def shared(client: AsyncWebClient, files: Sequence[str], channel: str, thread: str, comment: str) -> str:
    """The ts of a message of its own that shows files which were begun; there is one only, however often this is asked.

    Raises Passing or Unreachable.
    """
    if not await _is_there(client, files[0]):
        with told_apart():
            await client.files_completeUploadExternal(
                files=[{"id": file_id} for file_id in files],
                channel_id=channel,
                thread_ts=thread or None,
                initial_comment=comment,
            )
    for pause in LOOKS:
        if ts := await _shared_as(client, files[0], channel):
            return ts
        await asyncio.sleep(pause)
    raise Unreachable("Slack took the files and shows them nowhere.")


async def sent(client: AsyncWebClient, name: str, content: bytes, comment: str, channel: str) -> None:
    """Raises Passing or Unreachable; it may have been sent all the same."""
    file_id = await begun(client, name, content, comment)
    with told_apart():
        await client.files_completeUploadExternal(files=[{"id": file_id}], channel_id=channel, initial_comment=comment)


async def until_processed(client: AsyncWebClient, file_id: str) -> None:
    """Or for as long as it usually takes at most: blocks may show it all the same. Raises mishaps."""
    for pause in LOOKS:
        with told_apart():
            file = (await client.files_info(file=file_id))["file"]
        if file.get("mimetype"):
            return
        await asyncio.sleep(pause)


async def _is_there(client: AsyncWebClient, file_id: str) -> bool:
    """False where it was not completed, or deleted. Raises mishaps."""
    try:
        with told_apart():
            await client.files_info(file=file_id)
    except Unreachable as error:
        if str(error) in FILE_GONE:
            return False
        raise
    return True


async def _shared_as(client: AsyncWebClient, file_id: str, channel: str) -> str | None:
    """The ts of the message in this channel that came with the file; None where there is none. Raises mishaps."""
    with told_apart():
        file = (await client.files_info(file=file_id))["file"]
    shares = file.get("shares") or {}
    for kind in ("public", "private"):
        for share in shares.get(kind, {}).get(channel, []):
            return str(share["ts"])
    return None
