"""Whom a message rings for. Edits ring for nobody at Slack; here they count, to be on the safe side."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.fakes.slack import blocks as kit
from tests.fakes.slack.messages import Contents, Json

if TYPE_CHECKING:
    from tests.fakes.slack.server import FakeSlack

PERSON = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
CROWD = re.compile(r"<!(channel|here|everyone)(?:[|@^][^>]*)?>")
GROUP = re.compile(r"<!subteam\^[^>]*>")
NAME = re.compile(r"(?<![\w`<!])@([\w.-]+)")
CROWDS = ("channel", "here", "everyone")


def pings(fake: "FakeSlack", contents: Contents, form: Json) -> list[str]:
    """`form`: the arguments that the message was sent with."""
    loose = form.get("parse") == "full" or bool(form.get("link_names"))
    names = [*_marked(fake, contents.text), *(_named(fake, contents.text) if loose else ())]
    for part in kit.objects([*contents.blocks, *contents.attachments]):
        if part["type"] == "mrkdwn":
            names += _marked(fake, part["text"])
            # Unless told otherwise, Slack looks for names in such texts.
            names += [] if part.get("verbatim") else _named(fake, part["text"])
        elif part["type"] == "markdown":
            names += [*_marked(fake, part["text"]), *_named(fake, part["text"])]
        elif part["type"] == "broadcast":
            names.append(f"@{part['range']}")
        elif part["type"] == "user":
            names += _marked(fake, f"<@{part['user_id']}>")
    return list(dict.fromkeys(names))


def _marked(fake: "FakeSlack", text: str) -> Iterator[str]:
    yield from (fake.people[key].name for key in PERSON.findall(text) if key in fake.people and key != fake.bot.id)
    yield from (f"@{crowd}" for crowd in CROWD.findall(text))
    yield from ("@subteam" for _ in GROUP.findall(text))


def _named(fake: "FakeSlack", text: str) -> Iterator[str]:
    people = {person.username: person.name for person in fake.people.values() if not person.is_bot}
    for name in NAME.findall(text):
        if name in CROWDS:
            yield f"@{name}"
        elif name.lower() in people:
            yield people[name.lower()]
