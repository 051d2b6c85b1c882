"""Pictures that people put on Slack: which of them may be fetched, and how."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.mishaps import Unreachable
from adapters.chat.pictures import FETCH_SECONDS, lies_at, limited, too_large
from adapters.chat.refusals import Unclear
from adapters.slack.mishaps import told_apart
from bot.errors import BadRequest, Mistake
from bot.pictures import BYTES_MAX

#: Of a file of which nothing more is told than its ID: in channels that workspaces share.
LOOK_UP = "check_file_info"
#: Hosts where Slack keeps files.
SLACK = re.compile(r"([a-z0-9-]+\.)*slack(-gov)?\.com")


def is_picture(file: Mapping[str, Any]) -> bool:
    """That lies at Slack: nobody else may get the token to fetch it."""
    if file.get("file_access") == LOOK_UP:
        return True
    return str(file.get("mimetype") or "").startswith("image/") and not file.get("is_external")


def picture_of(files: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The only one. Raises Unclear."""
    pictures = [file for file in files if is_picture(file)]
    if not pictures:
        raise Unclear("picture.none")
    if len(pictures) > 1:
        raise Unclear("picture.several", pictures=len(pictures))
    return pictures[0]


async def known(file: Mapping[str, Any], client: AsyncWebClient) -> Mapping[str, Any]:
    """With all that Slack tells of it. Raises BadRequest, Unclear or Passing."""
    if file.get("file_access") == LOOK_UP:
        return picture_of([await _looked_up(file, client)])
    return file


async def fetched(file: Mapping[str, Any], client: AsyncWebClient) -> bytes:
    """One that is known. Raises BadRequest, Unclear or Passing."""
    if int(file.get("size") or 0) > BYTES_MAX:
        raise too_large()
    address = str(file.get("url_private") or "")
    if not lies_at(address, SLACK, client.base_url):
        # Whatever an event says, nobody but Slack gets the token.
        raise BadRequest(Mistake("picture", "This picture does not lie at Slack.", "not_there"))
    headers = {"Authorization": f"Bearer {client.token}"}
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(address, headers=headers, allow_redirects=False) as response,
        ):
            response.raise_for_status()
            # A redirect leads there, too.
            if response.status != 200 or response.content_type == "text/html":
                raise BadRequest(Mistake("picture", "Slack shows a page to sign in instead.", "not_there"))
            return await limited(response)
    except (aiohttp.ClientError, TimeoutError) as error:
        message = "Slack does not give out this picture now. It may be gone; else trying again helps."
        raise BadRequest(Mistake("picture", message, "not_now")) from error


async def _looked_up(file: Mapping[str, Any], client: AsyncWebClient) -> Mapping[str, Any]:
    try:
        with told_apart():
            told: Mapping[str, Any] = (await client.files_info(file=str(file["id"])))["file"]
    except Unreachable as error:
        raise BadRequest(Mistake("picture", "The bot may not see this picture.", "not_there")) from error
    return dict(told) | {"file_access": "visible"}
