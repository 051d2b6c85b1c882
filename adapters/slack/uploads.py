"""Images -> files on Slack, and what Slack says of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

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
#: Bytes of a file; Slack takes more, and no image of ours is that large.
FILE_MOST = 2**30
#: Slack's error where it does not show a file in a block, or not yet.
NOT_SHOWN = "invalid_blocks"
#: How often it is tried all the same.
SHOWN_TRIES = 5

T = TypeVar("T")


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


async def shown_in_time(show: Callable[[], Awaitable[T]], retry: float) -> T:
    """A file that was processed just now may be none yet for blocks. Raises what `show` raises.

    `retry` is how many seconds pass before the second try; before each one after that twice as many.
    """
    for tries in range(1, SHOWN_TRIES):
        try:
            return await show()
        except Unreachable as error:
            if str(error) != NOT_SHOWN:
                raise
        await asyncio.sleep(retry * 2**tries / 2)
    return await show()


async def shared(client: AsyncWebClient, files: Sequence[str], channel: str, thread: str, comment: str) -> str:
    """The ts of a message of its own that shows files which were begun; there is one only, however often this is asked.

    Those that come later have another one, without the comment. Raises Passing or Unreachable.
    """
    late = [file_id for file_id in files if not await _is_there(client, file_id)]
    try:
        if late:
            with told_apart():
                await client.files_completeUploadExternal(
                    files=[{"id": file_id} for file_id in late],
                    channel_id=channel,
                    thread_ts=thread or None,
                    initial_comment=comment if late == [*files] else None,
                )
    except Unreachable:
        # Of some somebody has deleted the file.
        if late == [*files]:
            raise
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
