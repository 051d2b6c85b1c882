"""What Slack told of people is remembered for a minute, and no longer takes up memory then."""

from adapters.slack.mishaps import Web
from adapters.slack.people import REMEMBERED, People
from tests.fakes.slack import FakeSlack


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_whoever_was_asked_about_more_than_a_minute_ago_is_forgotten(slack: FakeSlack) -> None:
    clock = Clock()
    people = People(Web(slack.bot_token, slack.api_url, retry_handlers=[]), [], clock)
    ada = slack.person("Ada")
    for number in range(10):
        await people.someone(ada.id)
        await people.someone(slack.person(f"Person {number}").id)
        clock.now += REMEMBERED / 4

    assert len(people._known) == 1 + 4


async def test_who_is_asked_about_again_is_remembered_anew(slack: FakeSlack) -> None:
    clock = Clock()
    people = People(Web(slack.bot_token, slack.api_url, retry_handlers=[]), [], clock)
    ada, ben = slack.person("Ada"), slack.person("Ben")
    for minute in range(3):
        clock.now = minute * REMEMBERED
        await people.someone(ada.id)
        clock.now += REMEMBERED / 2
        await people.someone(ben.id)

    asked = len(slack.requests)
    await people.someone(ada.id)
    await people.someone(ben.id)
    assert len(slack.requests) == asked
