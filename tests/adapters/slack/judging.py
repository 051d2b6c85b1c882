"""Holds blocks and views against Slack's rules, as the local Slack does."""

from typing import Any

from adapters.slack.manifest import manifest
from tests.fakes.slack import FakeSlack, rules
from tests.fakes.slack.blocks import texts
from tests.fakes.slack.messages import Contents
from tests.fakes.slack.pings import pings

SLACK = FakeSlack(manifest())
#: Whom a mention would ring for.
ADA = SLACK.person("Ada")
SLACK.people["U012AB3CD"] = ADA

Json = dict[str, Any]


def breaches(blocks: list[Json]) -> list[str]:
    return rules.block_breaches(blocks)


def view_breaches(view: Json) -> list[str]:
    return rules.view_breaches(view)


def rings(text: str, blocks: list[Json]) -> list[str]:
    """For whom, even where names are looked for in plain words."""
    return pings(SLACK, Contents(text=text, blocks=blocks), {"link_names": True})


def spoken(blocks: list[Json]) -> list[str]:
    """What can be read, but for buttons and alt texts."""
    return texts(blocks)
