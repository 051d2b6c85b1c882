"""Files, as the Web API has them."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.fakes.slack import payloads, posting
from tests.fakes.slack.messages import Json
from tests.fakes.slack.problems import Refused
from tests.fakes.slack.requests import Methods, Request

if TYPE_CHECKING:
    from tests.fakes.slack.files import FakeFile
    from tests.fakes.slack.places import Channel
    from tests.fakes.slack.server import FakeSlack

LONGEST_ALT = 1000
MOST_CHANNELS = 100

methods = Methods()


@methods("files.getUploadURLExternal", "files:write", takes_json=False)
def get_upload_url(fake: "FakeSlack", request: Request) -> Json:
    length, alt_txt = request.number("length"), request.args.get("alt_txt") or None
    if length < 1:
        raise Refused("missing_argument", ["an empty file cannot be uploaded"])
    if alt_txt and len(alt_txt) > LONGEST_ALT:
        raise Refused("alt_txt_too_large", [f"alt_txt has {len(alt_txt)} characters, {LONGEST_ALT} are allowed"])
    url, file = fake.file_host.begin(request.text("filename"), length, alt_txt)
    return {"upload_url": url, "file_id": file.id}


@methods("files.completeUploadExternal", "files:write")
def complete_upload(fake: "FakeSlack", request: Request) -> Json:
    """With a channel, a message appears there once the files are processed; nobody says which one it is."""
    wishes = request.args.get("files")
    if not isinstance(wishes, list) or not wishes:
        raise Refused("invalid_arguments", [f"files is {wishes!r}, not a list"])
    channels = _channels(fake, request)

    def share(files: Sequence["FakeFile"]) -> None:
        form = {"text": request.args.get("initial_comment", "")}
        for channel in channels:
            # Where the thread is gone meanwhile, nobody is told that nothing came of it.
            with suppress(Refused):
                posting.post(channel, form, thread_ts=request.args.get("thread_ts"), shared=tuple(files))

    files = fake.file_host.complete(wishes, share)
    return {"files": [payloads.file(file) for file in files]}


def _channels(fake: "FakeSlack", request: Request) -> list["Channel"]:
    ids = [request.args["channel_id"]] if request.args.get("channel_id") else []
    ids += (request.args.get("channels") or "").split(",")
    ids = [one for one in ids if one]
    if len(ids) > MOST_CHANNELS:
        raise Refused("channels_limit_exceeded", [f"{len(ids)} channels"])
    for one in ids:
        if one not in fake.channels:
            raise Refused("channel_not_found", [f"{one!r} is not a channel's ID"])
    return [fake.place_to_post(one, must_be_in=True) for one in ids]


@methods("files.info", "files:read", verb="GET")
def get_file(fake: "FakeSlack", request: Request) -> Json:
    file = fake.file_host.find(request.text("file"))
    return {"file": payloads.file(file) | payloads.shares(file), "comments": []}


@methods("files.delete", "files:write")
def delete(fake: "FakeSlack", request: Request) -> Json:
    fake.file_host.delete(request.text("file"))
    return {}
