"""Pictures that people put on Slack: which of them may be fetched, and how."""

from collections.abc import Mapping
from typing import Any

import aiohttp

from adapters.chat.pictures import FETCH_SECONDS, limited, too_large
from bot.errors import BadRequest, Mistake
from bot.pictures import BYTES_MAX


def is_picture(file: Mapping[str, Any]) -> bool:
    """That lies at Slack: nobody else may get the token to fetch it."""
    return str(file.get("mimetype") or "").startswith("image/") and not file.get("is_external")


async def fetched(file: Mapping[str, Any], token: str | None) -> bytes:
    """Raises BadRequest."""
    if int(file.get("size") or 0) > BYTES_MAX:
        raise too_large()
    headers = {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(str(file["url_private"]), headers=headers, allow_redirects=False) as response,
        ):
            response.raise_for_status()
            if response.content_type == "text/html":
                raise BadRequest(Mistake("picture", "Slack shows a page to sign in instead.", "not_there"))
            return await limited(response)
    except (aiohttp.ClientError, TimeoutError, KeyError) as error:
        message = "Slack does not give out this picture now. It may be gone; else trying again helps."
        raise BadRequest(Mistake("picture", message, "not_now")) from error
