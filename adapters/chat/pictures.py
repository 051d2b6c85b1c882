"""Pictures that people bring: they lie at the platform, and no more is read than is allowed, whatever was said."""

import re

import aiohttp
import yarl

from bot.errors import BadRequest, Mistake
from bot.pictures import BYTES_MAX

#: Within which one must have come.
FETCH_SECONDS = 30.0
#: Bytes that are read at a time.
CHUNK = 2**16


def lies_at(address: str, hosts: re.Pattern[str], api: str) -> bool:
    """By HTTPS at one of these hosts, or where the platform's API is."""
    try:
        url, home = yarl.URL(address), yarl.URL(api)
        host = url.host or ""
    except ValueError:
        return False
    # With a port, or somebody before the host, there is more in the authority.
    is_one = (url.scheme, url.authority) == ("https", host) and hosts.fullmatch(host) is not None
    return is_one or (url.scheme, url.authority) == (home.scheme, home.authority)


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
