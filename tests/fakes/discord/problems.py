"""How Discord says no."""

from collections.abc import Sequence
from enum import Enum


class Problem(Enum):
    """HTTP status, Discord's own code, and its words."""

    UNAUTHORIZED = 401, 0, "401: Unauthorized"
    UNKNOWN_ROUTE = 404, 0, "404: Not Found"
    UNKNOWN_CHANNEL = 404, 10003, "Unknown Channel"
    UNKNOWN_GUILD = 404, 10004, "Unknown Guild"
    UNKNOWN_MEMBER = 404, 10007, "Unknown Member"
    UNKNOWN_MESSAGE = 404, 10008, "Unknown Message"
    UNKNOWN_USER = 404, 10013, "Unknown User"
    UNKNOWN_WEBHOOK = 404, 10015, "Unknown Webhook"
    UNKNOWN_INTERACTION = 404, 10062, "Unknown interaction"
    UNKNOWN_COMMAND = 404, 10063, "Unknown application command"
    OLD_MESSAGE_EDITED = 429, 30046, "Maximum number of edits to messages older than 1 hour reached. Try again later"
    REQUEST_TOO_LARGE = 413, 40005, "Request entity too large"
    ALREADY_ACKNOWLEDGED = 400, 40060, "Interaction has already been acknowledged."
    TOO_MANY_FOLLOWUPS = 400, 40094, "This interaction has reached the maximum number of follow up messages"
    MISSING_ACCESS = 403, 50001, "Missing Access"
    NOT_THE_AUTHOR = 403, 50005, "Cannot edit a message authored by another user"
    EMPTY_MESSAGE = 400, 50006, "Cannot send an empty message"
    CLOSED_DMS = 403, 50007, "Cannot send messages to this user"
    MISSING_PERMISSIONS = 403, 50013, "Missing Permissions"
    INVALID_TOKEN = 401, 50027, "Invalid Webhook Token"
    INVALID_FORM = 400, 50035, "Invalid Form Body"
    NO_HISTORY_TO_REPLY = 403, 160002, "Cannot reply without permission to read message history"


class Refused(Exception):
    """A request was refused.

    `breaches` are rules that the bot broke and should have known; what merely happens in a bot's life has none.
    """

    def __init__(self, problem: Problem, breaches: Sequence[str] = ()) -> None:
        self.status, self.code, self.text = problem.value
        self.breaches = breaches
        super().__init__(f"{self.status} {self.code} {self.text}: {'; '.join(breaches)}")
