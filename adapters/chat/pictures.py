"""Pictures that people bring: no more is read than is allowed, whatever was said of the size."""

import aiohttp

from bot.errors import BadRequest, Mistake
from bot.pictures import BYTES_MAX

#: Within which one must have come.
FETCH_SECONDS = 30.0
#: Bytes that are read at a time.
CHUNK = 2**16


async def limited(response: aiohttp.ClientResponse) -> bytes:
    """Raises BadRequest for a picture that is too large."""
    content = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK):
        content += chunk
        if len(content) > BYTES_MAX:
            raise too_large()
    return bytes(content)


def too_large() -> BadRequest:
    mebibytes = BYTES_MAX // 2**20
    message = f"The picture is too large: up to {mebibytes} MiB are taken."
    return BadRequest(Mistake("picture", message, "too_large", {"mebibytes": mebibytes}))
