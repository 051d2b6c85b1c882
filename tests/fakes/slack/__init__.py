"""A local Slack for tests: Web API, Socket Mode, events over HTTP and files, with people who use the bot.

    async with FakeSlack(manifest) as slack:
        art, ada = slack.channel("art"), slack.person("Ada")
        asked = await ada.command(art, "/generate", "a cat --steps 4")
        await slack.until(lambda: art.messages and art.messages[-1].files)

The bot under test is pointed at `api_url`, with `bot_token` and `app_token`; it may run in this process or another. For
events over HTTP it is given `signing_secret`, and its own URL goes into `http_events_url`.
"""

from tests.fakes.slack.asked import Asked, Kind
from tests.fakes.slack.files import FakeFile
from tests.fakes.slack.messages import FakeMessage, Picture, Upload
from tests.fakes.slack.people import Person
from tests.fakes.slack.places import Channel, Team
from tests.fakes.slack.requests import Request
from tests.fakes.slack.server import FakeSlack
from tests.fakes.slack.views import View

__all__ = [
    "Asked",
    "Channel",
    "FakeFile",
    "FakeMessage",
    "FakeSlack",
    "Kind",
    "Person",
    "Picture",
    "Request",
    "Team",
    "Upload",
    "View",
]
