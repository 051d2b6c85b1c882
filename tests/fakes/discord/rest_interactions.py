"""What the bot answers to interactions: the callback, and then the webhook that comes with each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.fakes.discord import message_payloads
from tests.fakes.discord.asked import LIFETIME, PATIENCE, Asked
from tests.fakes.discord.kinds import Answer, Type
from tests.fakes.discord.messages import FakeMessage, Flags, Json, Upload
from tests.fakes.discord.posting import check_sizes, edit, post, think
from tests.fakes.discord.problems import Problem, Refused
from tests.fakes.discord.requests import Request, Routes
from tests.fakes.discord.rules import modal_breaches

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord

#: Where only a person installed the app.
MOST_FOLLOWUPS = 5
MOST_CHOICES, LONGEST_CHOICE = 25, 100
MESSAGES = {Answer.MESSAGE, Answer.DEFERRED_MESSAGE}
UPDATES = {Answer.UPDATE, Answer.DEFERRED_UPDATE}
#: By the type of the interaction; updates need a message besides.
FITTING = {
    Type.COMMAND: MESSAGES | {Answer.MODAL},
    Type.COMPONENT: MESSAGES | UPDATES | {Answer.MODAL},
    Type.AUTOCOMPLETE: {Answer.CHOICES},
    Type.MODAL_SUBMIT: MESSAGES | UPDATES,
}
WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
ORIGINAL, FOLLOWUP = f"{WEBHOOK}/messages/@original", f"{WEBHOOK}/messages/{{message_id}}"

routes = Routes()


@routes("POST", "/interactions/{interaction_id}/{interaction_token}/callback", needs_token=False)
def callback(fake: "FakeDiscord", request: Request) -> Any:
    asked = fake.asked.get(request.places["interaction_token"])
    if asked is None or asked.id != request.place("interaction_id"):
        raise Refused(Problem.UNKNOWN_INTERACTION)
    if asked.acknowledged:
        raise Refused(Problem.ALREADY_ACKNOWLEDGED)
    if asked.age > PATIENCE:
        raise Refused(Problem.UNKNOWN_INTERACTION)
    type, seconds = _fitting(asked, request.form.get("type")), asked.age
    message = _take(asked, type, request.form.get("data") or {}, request.files)
    asked.callback_type, asked.ack_seconds = type, seconds
    return _receipt(asked, message) if request.query.get("with_response") in ("1", "true") else None


def _fitting(asked: Asked, number: Any) -> Answer:
    fits = number in FITTING[asked.type] and (number not in UPDATES or asked.message)
    if not fits:
        raise Refused(Problem.INVALID_FORM, [f"an answer of type {number} does not fit a {asked.type.name}"])
    return Answer(number)


def _take(asked: Asked, type: Answer, data: Json, files: dict[int, Upload]) -> FakeMessage | None:
    match type:
        case Answer.MESSAGE:
            return post(asked.channel, data, files, asked=asked, original=True, private=asked.must_be_private)
        case Answer.DEFERRED_MESSAGE:
            flags = Flags(data.get("flags") or 0)
            if flags & ~Flags.EPHEMERAL:
                raise Refused(Problem.INVALID_FORM, [f"only EPHEMERAL can be set when deferring, not {flags!r}"])
            return think(asked, private=bool(flags) or asked.must_be_private)
        case Answer.UPDATE:
            assert asked.message
            edit(_present(asked.message), data, files)
            asked.original = asked.message
            return asked.message
        case Answer.DEFERRED_UPDATE:
            asked.original = asked.message
        case Answer.CHOICES:
            asked.choices = _choices(data.get("choices") or [])
        case Answer.MODAL:
            if breaches := list(modal_breaches(data)):
                raise Refused(Problem.INVALID_FORM, breaches)
            asked.modal = data
    return None


def _choices(choices: Sequence[Json]) -> list[Json]:
    if len(choices) > MOST_CHOICES:
        raise Refused(Problem.INVALID_FORM, [f"{len(choices)} choices, {MOST_CHOICES} are allowed"])
    for choice in choices:
        if not (1 <= len(choice["name"]) <= LONGEST_CHOICE and len(str(choice["value"])) <= LONGEST_CHOICE):
            raise Refused(Problem.INVALID_FORM, [f"the choice {choice} is longer than {LONGEST_CHOICE} characters"])
    return [{"name": choice["name"], "value": choice["value"]} for choice in choices]


def _receipt(asked: Asked, message: FakeMessage | None) -> Json:
    type = asked.callback_type
    interaction: Json = {"id": str(asked.id), "type": int(asked.type)}
    receipt: Json = {"interaction": interaction}
    if message:
        interaction |= {
            "response_message_id": str(message.id),
            "response_message_loading": message.thinking,
            "response_message_ephemeral": message.ephemeral,
        }
    if message and type in (Answer.MESSAGE, Answer.UPDATE):
        receipt["resource"] = {"type": int(type), "message": message_payloads.message(message)}
    return receipt


def _asked(fake: "FakeDiscord", request: Request) -> Asked:
    """Whose webhook it is."""
    if request.place("webhook_id") != fake.application_id:
        raise Refused(Problem.UNKNOWN_WEBHOOK)
    asked = fake.asked.get(request.places["webhook_token"])
    if asked is None or asked.age > LIFETIME:
        raise Refused(Problem.INVALID_TOKEN)
    if not asked.acknowledged or asked.type is Type.AUTOCOMPLETE:
        raise Refused(Problem.UNKNOWN_WEBHOOK)
    return asked


def _present(message: FakeMessage | None) -> FakeMessage:
    if message is None or message.deleted:
        raise Refused(Problem.UNKNOWN_MESSAGE)
    return message


def _answer(fake: "FakeDiscord", request: Request) -> FakeMessage:
    """The message that the route means."""
    asked = _asked(fake, request)
    if "message_id" not in request.places:
        return _present(asked.original)
    named = [one for one in asked.answers if one.id == request.place("message_id")]
    return _present(named[0] if named else None)


@routes("POST", WEBHOOK, needs_token=False)
def follow_up(fake: "FakeDiscord", request: Request) -> Any:
    asked = _asked(fake, request)
    if asked.promised and asked.original:
        # It takes the place of the answer that was promised, and is seen by the same people.
        edit(asked.original, request.form, request.files)
        return message_payloads.message(asked.original)
    if not asked.channel.has_bot and len(asked.followups) >= MOST_FOLLOWUPS:
        raise Refused(Problem.TOO_MANY_FOLLOWUPS)
    check_sizes(asked.channel, request.files.values())
    message = post(asked.channel, request.form, request.files, asked=asked, private=asked.must_be_private)
    asked.followups.append(message)
    return message_payloads.message(message)


@routes("GET", ORIGINAL, needs_token=False)
@routes("GET", FOLLOWUP, needs_token=False)
def get_answer(fake: "FakeDiscord", request: Request) -> Any:
    return message_payloads.message(_answer(fake, request))


@routes("PATCH", ORIGINAL, needs_token=False)
@routes("PATCH", FOLLOWUP, needs_token=False)
def edit_answer(fake: "FakeDiscord", request: Request) -> Any:
    message = _answer(fake, request)
    edit(message, request.form, request.files)
    return message_payloads.message(message)


@routes("DELETE", ORIGINAL, needs_token=False)
@routes("DELETE", FOLLOWUP, needs_token=False)
def delete_answer(fake: "FakeDiscord", request: Request) -> None:
    message = _answer(fake, request)
    message.channel.remove(message)
