"""What slack_bolt and slack_sdk say in their logs -> lines of ours."""

import logging
from contextlib import AbstractContextManager

from adapters.chat.library_log import Lines, heard_by


def heard() -> AbstractContextManager[None]:
    """Errors alone: below them they repeat what people typed, and the URLs that answer it."""
    return heard_by(Lines("slack", (), logging.ERROR), "slack_bolt", "slack_sdk")
