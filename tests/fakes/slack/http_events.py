"""HTTP mode: what the bot is told is POSTed to its own URL, signed with the signing secret."""

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp

from tests.fakes.slack.asked import PATIENCE
from tests.fakes.slack.deliveries import NO_RETRY, Attempt, Type
from tests.fakes.slack.faults import Forgery
from tests.fakes.slack.messages import Json

if TYPE_CHECKING:
    from tests.fakes.slack.server import FakeSlack

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


class HttpEvents:
    def __init__(self, fake: "FakeSlack") -> None:
        self._fake = fake
        self._session: aiohttp.ClientSession | None = None

    def post(self, attempt: Attempt) -> None:
        self._fake.spawn(self._post(attempt))

    async def _post(self, attempt: Attempt) -> None:
        content_type, body = _body(attempt.delivery.type, attempt.delivery.payload)
        headers = self._headers(body) | {"Content-Type": content_type}
        if attempt.number:
            headers |= {"X-Slack-Retry-Num": str(attempt.number), "X-Slack-Retry-Reason": attempt.reason}
        try:
            status, told, more = await self._exchange(body, headers)
        except TimeoutError:
            self._fake.deliveries.failed(attempt.id, "http_timeout")
            return
        except aiohttp.ClientError:
            self._fake.deliveries.failed(attempt.id, "connection_failed")
            return
        if attempt.delivery.asked:
            attempt.delivery.asked.http_status = status
        if status == 200:
            self._fake.deliveries.acknowledged(attempt.id, told)
        else:
            self._fake.deliveries.failed(attempt.id, NO_RETRY if more.get("X-Slack-No-Retry") == "1" else "http_error")

    async def verify(self) -> bool:
        """Asks the URL to prove itself, as Slack does before it takes it."""
        challenge = self._fake.ids.new("c")
        told = {"token": self._fake.verification_token, "challenge": challenge, "type": "url_verification"}
        body = json.dumps(told)
        status, answer, _ = await self._exchange(body, self._headers(body) | {"Content-Type": JSON})
        return status == 200 and challenge in (answer, answer.get("challenge") if isinstance(answer, dict) else None)

    async def _exchange(self, body: str, headers: dict[str, str]) -> tuple[int, Any, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE))
        url = self._fake.http_events_url
        assert url
        async with self._session.post(url, data=body.encode(), headers=headers, allow_redirects=False) as response:
            text = await response.text()
            told = json.loads(text) if response.content_type == JSON and text else text
            return response.status, told or None, response.headers

    def _headers(self, body: str) -> dict[str, str]:
        forgery = self._fake.faults.take(Forgery, "http")
        moment = str(int(self._fake.clock.now() - (forgery.age if forgery else 0)))
        secret = (forgery.secret if forgery else None) or self._fake.signing_secret
        digest = hmac.new(secret.encode(), f"v0:{moment}:{body}".encode(), hashlib.sha256).hexdigest()
        return {
            "X-Slack-Request-Timestamp": moment,
            "X-Slack-Signature": f"v0={digest}",
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        }

    async def close(self) -> None:
        if self._session:
            await self._session.close()


def _body(type: Type, payload: Json) -> tuple[str, str]:
    match type:
        case Type.EVENT:
            return JSON, json.dumps(payload)
        case Type.COMMAND:
            return FORM, urlencode(payload)
        case Type.INTERACTIVE:
            return FORM, urlencode({"payload": json.dumps(payload)})
