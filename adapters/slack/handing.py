"""Files that are handed to one person, in direct messages and nowhere else."""

from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.mishaps import Passing, Unreachable
from adapters.chat.refusals import Unclear
from adapters.slack.people import talk_with
from adapters.slack.uploads import sent
from bot.policy import Asker


async def handed(client: AsyncWebClient, asker: Asker, name: str, content: bytes, text: str, what: str) -> None:
    """Raises Unclear where it did not arrive, by the sentences about `what`."""
    key = f"no_direct_messages.{what}"
    try:
        direct = await talk_with(client, asker.requester.partition(":")[2])
        key = f"{what}.not_sent"
        await sent(client, name, content, text, direct)
    except Unreachable as error:
        raise Unclear(key, why=error) from error
    except Passing as error:
        raise Unclear(f"{what}.not_now") from error
