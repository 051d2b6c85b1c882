"""What `limner doctor` finds on Slack, told by a local one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from adapters.chat.checkup import Found
from adapters.slack import checkup as module
from adapters.slack.checkup import checkup
from adapters.slack.manifest import SCOPES, manifest
from tests.fakes.slack import Channel, FakeSlack

#: A port on which nobody listens.
CLOSED = "http://127.0.0.1:1/api/"
#: Seconds, where it shall take too long.
SOON = 0.3


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(manifest(), checks_itself=True) as fake:
        yield fake


@pytest.fixture
def art(slack: FakeSlack) -> Channel:
    return slack.channel("art")


@asynccontextmanager
async def slack_without(*scopes: str) -> AsyncIterator[FakeSlack]:
    """In which the app was installed before it asked for these."""
    told = manifest()
    told["oauth_config"]["scopes"]["bot"] = [scope for scope in SCOPES if scope not in scopes]
    async with FakeSlack(told) as fake:
        fake.violations.clear()
        yield fake


async def look(slack: FakeSlack, bot_token: str | None = None, **more: Any) -> list[Found]:
    where = {"api_url": slack.api_url, "app_token": slack.app_token} | more
    return await checkup(bot_token or slack.bot_token, **where)


def wrong(found: list[Found]) -> list[tuple[str, str, str]]:
    return [(one.subject, one.what, one.remedy) for one in found if one.remedy is not None]


def said(found: list[Found], subject: str) -> list[str]:
    return [one.what for one in found if one.subject == subject]


def asked(slack: FakeSlack) -> list[str]:
    return [request.method for request in slack.requests]


async def test_where_all_is_well_it_tells_the_bot_its_workspace_and_its_channels(
    slack: FakeSlack, art: Channel
) -> None:
    slack.channel("memes", private=True)

    found = await look(slack)

    assert [(one.subject, one.what, one.remedy) for one in found] == [
        ("slack bot", "@limner in the workspace Studio, https://studio.slack.com/", None),
        ("slack scopes", f"all {len(SCOPES)} that Limner needs", None),
        ("slack socket", "Socket Mode is on, and the app token is good for it", None),
        ("slack channels", "#art, #memes", None),
    ]


async def test_it_opens_no_socket_and_asks_each_thing_once(slack: FakeSlack, art: Channel) -> None:
    await look(slack, admins=[slack.owner.id])

    assert slack.connections == 0
    assert sorted(asked(slack)) == ["apps.connections.open", "auth.test", "users.conversations", "users.info"]


@pytest.mark.parametrize("error", ["invalid_auth", "token_revoked", "account_inactive"])
async def test_a_bot_token_that_slack_refuses_is_to_be_copied_again(slack: FakeSlack, art: Channel, error: str) -> None:
    slack.fail("auth.test", error=error)

    found = await look(slack)

    ((subject, what, remedy),) = wrong(found)
    assert (subject, what) == ("slack bot", f"Slack refuses SLACK_BOT_TOKEN ({error})")
    assert "OAuth & Permissions" in remedy
    # What the app token alone can tell is told, too.
    assert asked(slack) == ["auth.test", "apps.connections.open"]


@pytest.mark.parametrize(
    ("token", "what"),
    [
        ("xapp-1-A1-2", "set, but it is an app token"),
        ("xoxp-1", "set, but it is a user token"),
        ("xoxe.xoxb-1", "set, but it is a token that expires"),
        ("xoxb-1 xoxb-2", "set, but it does not look right"),
        ("nonsense", "set, but it does not look right"),
    ],
)
async def test_a_bot_token_that_cannot_be_one_is_not_sent_and_its_kind_is_told(
    slack: FakeSlack, token: str, what: str
) -> None:
    found = await look(slack, token)

    ((subject, found_what, remedy),) = wrong(found)
    assert (subject, found_what) == ("SLACK_BOT_TOKEN", what)
    assert remedy.startswith("The token is one word that begins with xoxb-; copy it again from ")
    assert asked(slack) == ["apps.connections.open"]


async def test_an_app_token_that_cannot_be_one_is_not_sent_and_its_kind_is_told(slack: FakeSlack, art: Channel) -> None:
    ((subject, what, _),) = wrong(await look(slack, app_token=slack.bot_token))

    assert (subject, what) == ("SLACK_APP_TOKEN", "set, but it is a bot token")
    assert "apps.connections.open" not in asked(slack)


async def test_scopes_that_lack_are_told_with_what_does_not_work_and_how_to_mend_it() -> None:
    async with slack_without("files:write", "im:history", "users:read") as slack:
        slack.channel("art")
        found = await look(slack, admins=["U0"])

    ((subject, what, remedy),) = wrong(found)
    assert subject == "slack scopes"
    assert what == (
        "the bot lacks files:write (to upload pictures and delete them), im:history (to hear direct messages), "
        "users:read (names, languages, and who is an admin)"
    )
    assert "`limner manifest`" in remedy
    assert "reinstall" in remedy


async def test_over_http_the_manifest_that_mends_the_scopes_is_that_with_the_address() -> None:
    async with slack_without("files:write") as slack:
        slack.channel("art")
        found = await look(
            slack, app_token=None, signing_secret=slack.signing_secret, public_url="https://limner.example"
        )

    ((_, _, remedy),) = wrong(found)
    assert "`limner manifest --http https://limner.example`" in remedy


async def test_only_channels_are_looked_for_whose_scope_the_bot_has() -> None:
    async with slack_without("groups:read") as slack:
        slack.channel("art")
        found = await look(slack)

    assert said(found, "slack channels") == ["#art"]


async def test_without_the_scopes_of_channels_none_are_looked_for() -> None:
    async with slack_without("groups:read", "channels:read") as slack:
        found = await look(slack)

    assert said(found, "slack channels") == []
    assert len(wrong(found)) == 1


async def test_a_bot_that_is_in_no_channel_is_to_be_invited(slack: FakeSlack) -> None:
    slack.channel("elsewhere", member=False)
    slack.channel("old").archive()

    assert wrong(await look(slack)) == [
        ("slack channels", "the bot is in none", "Type /invite @limner in a channel."),
    ]


async def test_channels_that_fill_several_answers_of_slack_are_all_seen(
    slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    for number in range(5):
        slack.channel(f"art-{number}")

    assert said(await look(slack), "slack channels") == ["#art-0, #art-1, #art-2 and 2 more"]


async def test_of_more_channels_than_are_asked_for_it_says_at_least_how_many(
    slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 1)
    for number in range(7):
        slack.channel(f"art-{number}")

    assert said(await look(slack), "slack channels") == ["#art-0, #art-1, #art-2 and 2 or more"]


@pytest.mark.parametrize(
    ("error", "what", "remedy"),
    [
        ("invalid_auth", "Slack refuses SLACK_APP_TOKEN (invalid_auth)", "Basic Information > App-Level Tokens"),
        ("not_allowed_token_type", "Slack refuses SLACK_APP_TOKEN (not_allowed_token_type)", "Copy the token again"),
        ("missing_scope", "SLACK_APP_TOKEN lacks the scope connections:write", "Generate another one"),
        ("socket_mode_not_enabled", "Socket Mode is off for the app", "Turn Enable Socket Mode on"),
        ("forbidden_team", "Slack refuses to tell (it answers forbidden_team)", "https://api.slack.com/apps"),
        ("internal_error", "Slack has a fault (it answers internal_error)", "Try later"),
    ],
)
async def test_an_app_token_that_is_not_good_for_a_socket_is_told(
    slack: FakeSlack, art: Channel, error: str, what: str, remedy: str
) -> None:
    slack.fail("apps.connections.open", error=error)

    ((subject, found_what, found_remedy),) = wrong(await look(slack))

    assert (subject, found_what) == ("slack socket", what)
    assert remedy in found_remedy


async def test_that_sockets_were_asked_for_a_moment_ago_is_no_fault(slack: FakeSlack, art: Channel) -> None:
    slack.limit("apps.connections.open", times=None, retry_after=60)

    found = await look(slack)

    assert wrong(found) == []
    (what,) = said(found, "slack socket")
    assert what.startswith("could not be looked at: ")
    assert asked(slack).count("apps.connections.open") == 1


async def test_with_neither_an_app_token_nor_a_signing_secret_both_ways_are_told(
    slack: FakeSlack, art: Channel
) -> None:
    ((subject, what, remedy),) = wrong(await look(slack, app_token=None))

    assert subject == "slack events"
    assert what == "neither SLACK_APP_TOKEN nor SLACK_SIGNING_SECRET is set: Limner hears nothing of Slack"
    assert remedy.startswith("Set SLACK_APP_TOKEN ")
    assert "or SLACK_SIGNING_SECRET" in remedy


async def test_over_http_the_address_is_told_that_must_stand_in_the_settings_of_the_app(
    slack: FakeSlack, art: Channel
) -> None:
    found = await look(slack, app_token=None, signing_secret=slack.signing_secret, public_url="https://limner.example")

    (what,) = said(found, "slack http")
    assert what.startswith("the app's Request URLs must be https://limner.example/slack/events, ")
    assert wrong(found) == []
    assert "apps.connections.open" not in asked(slack)


@pytest.mark.parametrize(
    ("settings", "subject", "what", "remedy"),
    [
        pytest.param(
            {"signing_secret": "hush", "public_url": "https://limner.example"},
            "SLACK_SIGNING_SECRET",
            "set, but it does not look right",
            "32 digits",
            id="secret",
        ),
        pytest.param(
            {}, "slack http", "nobody knows where Slack reaches Limner", "Set LIMNER_PUBLIC_URL", id="no address"
        ),
        pytest.param(
            {"public_url": "http://limner.example"},
            "slack http",
            "the app's Request URLs must be http://limner.example",
            "Put Limner behind https",
            id="no https",
        ),
    ],
)
async def test_settings_with_which_slack_does_not_reach_limner_are_told(
    slack: FakeSlack, art: Channel, settings: dict[str, str], subject: str, what: str, remedy: str
) -> None:
    more: dict[str, Any] = {"app_token": None, "signing_secret": slack.signing_secret} | settings

    ((found_subject, found_what, found_remedy),) = wrong(await look(slack, **more))

    assert found_subject == subject
    assert found_what.startswith(what)
    assert remedy in found_remedy


async def test_an_admin_whom_slack_does_not_know_is_told(slack: FakeSlack, art: Channel) -> None:
    ((subject, what, remedy),) = wrong(await look(slack, admins=["U0NOBODY", slack.owner.id]))

    assert (subject, what) == ("slack admins", "nobody here has the ID U0NOBODY")
    assert remedy.startswith("Correct LIMNER_SLACK_ADMINS.")


async def test_an_api_that_cannot_be_reached_is_told_once_with_the_setting_that_leads_there(slack: FakeSlack) -> None:
    (found,) = await look(slack, api_url=CLOSED)

    assert found.what.startswith("cannot be reached: Cannot connect to host 127.0.0.1:1 ")
    assert found.remedy == f"Look whether this is right, and what is there runs: LIMNER_SLACK_API_URL ({CLOSED})."


async def test_an_api_that_never_answers_is_not_waited_for_any_longer(slack: FakeSlack) -> None:
    slack.delay("auth.test", 5)

    (found,) = await look(slack, seconds=SOON)

    assert found.what == "no answer within 0.3 seconds"
    assert found.remedy is not None


@pytest.mark.parametrize(
    ("status", "what", "remedy"),
    [
        (503, "Slack has a fault (it answers 503)", "Try later"),
        (404, "something answers, but not as Slack does", "it ends in /api/"),
    ],
)
async def test_an_api_with_a_fault_is_told_with_what_it_answers(
    slack: FakeSlack, status: int, what: str, remedy: str
) -> None:
    slack.fail("auth.test", status=status)

    (found,) = await look(slack)

    assert (found.subject, found.what) == ("slack bot", what)
    assert found.remedy is not None
    assert remedy in found.remedy
    assert asked(slack) == ["auth.test"]


async def test_an_api_that_takes_no_more_from_here_is_told(slack: FakeSlack) -> None:
    slack.limit("auth.test")

    (found,) = await look(slack)

    assert found.what == "Slack takes no more from here at the moment: too many requests (429)"
    assert found.remedy is not None


async def test_what_cannot_be_looked_at_does_not_hide_the_rest(slack: FakeSlack) -> None:
    slack.fail("users.conversations", status=500)

    found = await look(slack)

    assert [subject for subject, _, _ in wrong(found)] == ["slack channels"]
    assert said(found, "slack socket") == ["Socket Mode is on, and the app token is good for it"]


@asynccontextmanager
async def elsewhere(body: str, kind: str) -> AsyncIterator[str]:
    """Another server, that answers everything with this; gives its address as that of an API."""

    async def serve(request: web.Request) -> web.Response:
        return web.Response(text=body, content_type=kind)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield "http://{}:{}/api/".format(*runner.addresses[0])
    await runner.cleanup()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<html>Log in to the guests' network</html>", "text/html"),
        ("Welcome", "text/plain"),
        ("Welcome", "application/json"),
        ("[]", "application/json"),
        ("{}", "application/json"),
        ('{"ok": true}', "application/json"),
    ],
)
async def test_something_that_answers_in_slacks_place_is_told(slack: FakeSlack, body: str, kind: str) -> None:
    async with elsewhere(body, kind) as address:
        (found,) = await look(slack, api_url=address)

    assert found.what == "something answers, but not as Slack does"
    assert found.remedy is not None
    assert "LIMNER_SLACK_API_URL" in found.remedy


async def test_a_warning_that_socket_mode_is_off_is_told() -> None:
    said_so = (
        '{"ok": true, "url": "wss://x/", "response_metadata": {"messages": ["[WARN] Socket Mode is not turned on."]}}'
    )
    async with elsewhere(said_so, "application/json") as address:
        found = await checkup("xoxp-1", app_token="xapp-1", api_url=address)

    assert [what for subject, what, _ in wrong(found) if subject == "slack socket"] == [
        "Slack warns that Socket Mode is off for the app"
    ]


async def test_no_finding_holds_a_secret(slack: FakeSlack) -> None:
    slack.fail("auth.test", error="invalid_auth", times=None)
    slack.fail("apps.connections.open", error="invalid_auth", times=None)
    texts = [*await look(slack), *await look(slack, app_token=None, signing_secret="hush")]
    texts += await look(slack, "xapp-hush", app_token="xoxb-hush")

    everything = " ".join(f"{one.what} {one.remedy}" for one in texts)
    assert all(secret not in everything for secret in ("hush", slack.bot_token, slack.app_token))


async def test_a_name_that_would_leave_its_line_does_not(slack: FakeSlack) -> None:
    slack.channel("a\n\x1b[31mrt")

    assert said(await look(slack), "slack channels") == ["#a [31mrt"]
