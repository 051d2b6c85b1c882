"""What comes back for something that a person did: with the acknowledgement, and over the response URL."""

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.fakes.slack import posting
from tests.fakes.slack.asked import LIFETIME, USES, Asked, Kind
from tests.fakes.slack.messages import FakeMessage, Json
from tests.fakes.slack.problems import Refused

if TYPE_CHECKING:
    from tests.fakes.slack.requests import Request
    from tests.fakes.slack.server import FakeSlack
    from tests.fakes.slack.views import View

#: That a message may have which is sent so.
FIELDS = {"text", "blocks", "attachments", "response_type", "thread_ts", "metadata", "mrkdwn", "parse", "link_names"}
FIELDS |= {"replace_original", "delete_original", "unfurl_links", "unfurl_media"}


class Answers:
    def __init__(self, fake: "FakeSlack") -> None:
        self._fake = fake

    # With the acknowledgement

    def take(self, asked: Asked, body: Any) -> None:
        try:
            match asked.kind:
                case Kind.COMMAND:
                    self._take_message(asked, body)
                case Kind.SUBMISSION:
                    self._take_view(asked, body or {})
                case Kind.ACTION | Kind.SHORTCUT | Kind.CLOSING if body:
                    raise Refused("invalid_arguments", [f"a {asked.kind} is acknowledged with nothing, not {body!r}"])
        except Refused as refused:
            self._fake.violations += [f"acknowledgement of {asked}: {breach}" for breach in refused.breaches]

    def _take_message(self, asked: Asked, body: Any) -> None:
        form = {"text": body} if isinstance(body, str) else body
        if form:
            asked.reply = self._post(asked, form)

    def _take_view(self, asked: Asked, body: Any) -> None:
        view = asked.source
        assert view
        match body:
            case {"response_action": "errors", "errors": dict(errors)}:
                self._take_errors(asked, view, errors)
            case {"response_action": "update", "view": form}:
                self._fake.views.update(view.id, None, form, None)
                asked.view = view
            case {"response_action": "push", "view": form}:
                self._fake.views.push(asked, form, view)
            case {"response_action": "clear"}:
                self._fake.views.clear(view)
            case _ if not body:
                view.close()
            case _:
                raise Refused("invalid_arguments", [f"Slack does not understand {body!r}"])

    def _take_errors(self, asked: Asked, view: "View", errors: dict[str, str]) -> None:
        known = {block["block_id"] for block in view.blocks if block["type"] == "input"}
        if strange := errors.keys() - known:
            raise Refused("invalid_arguments", [f"errors for {sorted(strange)}, which are no input blocks: {errors}"])
        asked.view, asked.errors = view, errors

    # Over the response URL

    def receive(self, request: "Request") -> web.Response:
        asked = self._fake.asked.get(request.args.pop("token"))
        if asked is None or asked.channel is None:
            return web.Response(status=404, text="no_service")
        if asked.uses >= USES:
            return web.Response(status=404, text="used_url")
        if asked.age > LIFETIME:
            return web.Response(status=404, text="expired_url")
        try:
            self._respond(asked, request.args)
        except Refused as refused:
            self._fake.violations += [f"response_url: {breach}" for breach in refused.breaches]
            return web.Response(status=400, text=refused.error)
        asked.uses += 1
        return web.Response(text="ok")

    def _respond(self, asked: Asked, form: Json) -> None:
        if strange := form.keys() - FIELDS:
            raise Refused("invalid_payload", [f"there are no fields {sorted(strange)}: {json.dumps(form)[:300]}"])
        original = self._original(asked)
        if form.get("delete_original"):
            if original:
                original.channel.remove(original)
        elif form.get("replace_original") and original:
            posting.edit(original, {"blocks": [], "attachments": []} | form)
        else:
            asked.responses.append(self._post(asked, form))

    def _original(self, asked: Asked) -> FakeMessage | None:
        """The message that was clicked on; of a command, the last answer."""
        message = asked.message if asked.kind is Kind.ACTION else next(reversed(asked.answers), None)
        if asked.message and asked.message.user is not self._fake.bot:
            return None
        return None if message is None or message.deleted else message

    def _post(self, asked: Asked, form: Json) -> FakeMessage:
        assert asked.channel
        whole = form.get("response_type") == "in_channel"
        return posting.post(
            asked.channel,
            form,
            thread_ts=form.get("thread_ts"),
            ephemeral_to=None if whole else asked.person,
        )
