"""Makes messages of what the bot sends, and edits them."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.fakes.slack import blocks as kit
from tests.fakes.slack import payloads, spec
from tests.fakes.slack.messages import Contents, FakeMessage, Json
from tests.fakes.slack.pings import pings
from tests.fakes.slack.problems import Refused, invalid_blocks
from tests.fakes.slack.rules import LONGEST_MARKDOWN, block_breaches

if TYPE_CHECKING:
    from tests.fakes.slack.files import FakeFile
    from tests.fakes.slack.people import Person
    from tests.fakes.slack.places import Channel
    from tests.fakes.slack.server import FakeSlack

#: Characters that are kept of a new message's text; of an edited or an ephemeral one more than LONGEST are refused.
KEPT, LONGEST = 40_000, 4000
MOST_ATTACHMENTS = 100


def post(
    channel: "Channel",
    form: Json,
    *,
    thread_ts: str | None = None,
    ephemeral_to: "Person | None" = None,
    shared: tuple["FakeFile", ...] = (),
) -> FakeMessage:
    """A new message of the bot.

    `shared`: files that come with it, not as image blocks; such a message needs no text.
    """
    fake = channel.fake
    contents = _composed(fake, Contents(shared=shared), form, LONGEST if ephemeral_to else None)
    message = FakeMessage(
        ts=fake.ids.timestamp(),
        channel=channel,
        user=fake.bot,
        contents=contents,
        created=fake.clock.now(),
        thread_ts=_root(channel, thread_ts),
        ephemeral_to=ephemeral_to,
        broadcast=bool(form.get("reply_broadcast")),
        subtype="file_share" if shared else None,
    )
    message.pings = pings(fake, contents, form)
    if ephemeral_to and message.thread_ts and not _begun(channel, message.thread_ts):
        fake.violations.append(f"{message.text!r} is seen by nobody: a thread must have replies before it shows such")
    channel.keep(message)
    return message


def edit(message: FakeMessage, form: Json) -> None:
    """Fields that the form does not have stay as they are."""
    fake, before = message.channel.fake, payloads.message(message)
    if message.contents.blocks and form.get("blocks") is None:
        raise Refused(
            "invalid_arguments", ["a message with blocks is edited without them, which Slack treats as it likes"]
        )
    contents = _composed(fake, message.contents, form, LONGEST)
    message.rewrite(contents, fake.clock.now())
    message.pings = list(dict.fromkeys([*message.pings, *pings(fake, contents, form)]))
    fake.file_host.note(message)
    fake.events.tell_changed(message, before)
    fake.bell.ring()


def _composed(fake: "FakeSlack", before: Contents, form: Json, longest: int | None) -> Contents:
    text, blocks = _text(form, longest), form.get("blocks")
    attachments, metadata = form.get("attachments"), form.get("metadata")
    if blocks is not None:
        _check_blocks(fake, blocks)
        blocks = kit.numbered(blocks, fake.ids)
    if attachments is not None and len(attachments) > MOST_ATTACHMENTS:
        raise Refused("too_many_attachments", [f"there are {len(attachments)} attachments"])
    if metadata and (document := spec.load()) and (breaches := document.metadata_breaches(metadata)):
        raise Refused("invalid_metadata_format", breaches)
    contents = replace(
        before,
        text=before.text if text is None else text,
        blocks=before.blocks if blocks is None else blocks,
        attachments=before.attachments if attachments is None else attachments,
        metadata=before.metadata if metadata is None else metadata or None,
        shared=_files(fake, before, form),
    )
    if not (contents.text or contents.blocks or contents.attachments or contents.shared):
        raise Refused("no_text", ["the message is empty"])
    return contents


def _text(form: Json, longest: int | None) -> str | None:
    text, markdown = form.get("text"), form.get("markdown_text")
    if markdown is not None:
        if text is not None or form.get("blocks") is not None:
            raise Refused("markdown_text_conflict", ["markdown_text goes with neither text nor blocks"])
        if len(markdown) > LONGEST_MARKDOWN:
            raise Refused("msg_too_long", [f"markdown_text has {len(markdown)} characters"])
        text = markdown
    if text is not None and not isinstance(text, str):
        raise Refused("invalid_arguments", [f"text is {text!r}"])
    if text and longest and len(text) > longest:
        raise Refused("msg_too_long", [f"text has {len(text)} characters, {longest} are allowed"])
    return text[:KEPT] if text else text


def _check_blocks(fake: "FakeSlack", blocks: Any) -> None:
    if breaches := block_breaches(blocks):
        raise invalid_blocks(breaches, breaches)
    for number, block in enumerate(blocks):
        for picture in kit.pictures([block]):
            if "slack_file" in picture and not fake.file_host.can_be_shown(picture):
                # It may be too early, or the file may be gone: no rule was broken.
                raise invalid_blocks([f"invalid slack file [json-pointer:/blocks/{number}/slack_file]"])


def _files(fake: "FakeSlack", before: Contents, form: Json) -> tuple["FakeFile", ...]:
    if form.get("file_ids") is None:
        return tuple(before.shared)
    files = tuple(fake.file_host.find(file_id) for file_id in form["file_ids"])
    if not all(file.processed for file in files):
        raise Refused("file_not_found")
    return files


def _begun(channel: "Channel", thread_ts: str) -> bool:
    root = channel.find(thread_ts)
    return root is not None and bool(root.replies)


def _root(channel: "Channel", thread_ts: str | None) -> str | None:
    """The thread that a message goes to."""
    if not thread_ts:
        return None
    root = channel.find(thread_ts)
    if root is None or (root.deleted and not root.replies):
        raise Refused("thread_not_found")
    if root.thread_ts:
        raise Refused("invalid_arguments", ["thread_ts is the ts of a reply, not of the message that began the thread"])
    return thread_ts
