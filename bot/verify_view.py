"""What marks a file has, and whether the index knows it, on a terminal; beside a running server or without one."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bot.errors import BadRequest, Mistake
from bot.marks.authority import anchors
from bot.marks.credentials import Credentials, State
from bot.marks.findings import Findings, Watermark, examine
from bot.pictures import BYTES_MAX
from bot.settings import Settings
from storage.folder import DATABASE
from storage.images import image_of_file, is_there
from storage.snapshot import reading

WATERMARKS = {
    Watermark.FOUND: "found: the one of SDXL's own pipelines",
    Watermark.NOT_FOUND: "none",
    Watermark.TOO_SMALL: "not looked for, as none is put into so few pixels",
}
STATES = {
    State.TRUSTED: "[green]whole[/], and signed by who is trusted here",
    State.UNTRUSTED: "[yellow]whole[/], but whoever signed is unknown here",
    State.BROKEN: "[red]broken[/], so they prove nothing",
}
#: What IPTC's names end in -> what they mean.
SOURCE_TYPES = {"trainedAlgorithmicMedia": "made by a trained model"}
LAST = "Whoever wants to can take marks off, and copy all but whole credentials onto anything."


@dataclass(frozen=True, slots=True)
class Known:
    """None: there is no index to look into."""

    #: ID of the image whose file this is.
    file: str | None
    #: The image that the marks name is in the index.
    named: bool


def show(settings: Settings, path: Path, console: Console, *, as_json: bool) -> None:
    """Blocking. Raises BadRequest where the file cannot be read."""
    try:
        with path.open("rb") as file:
            encoded = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise BadRequest(Mistake("picture", f"Cannot read {path}: {error.strerror}.", "cannot_read")) from error
    findings = examine(encoded, anchors(settings.data_dir, settings.certificate))
    known = _known(settings.data_dir / DATABASE, findings)
    if as_json:
        console.out(json.dumps({**asdict(findings), "index": known and asdict(known)}, indent=2), highlight=False)
        return
    for name, text in _lines(findings, known):
        console.print(f"{name:12}{text}", highlight=False, soft_wrap=True)
    console.print(f"[dim]{LAST}[/]", soft_wrap=True)


def _known(index: Path, findings: Findings) -> Known | None:
    if not index.is_file():
        return None
    try:
        with reading(index) as connection:
            named = findings.image_id is not None and is_there(connection, findings.image_id)
            return Known(image_of_file(connection, findings.sha256), named)
    except sqlite3.Error:
        return None


def _lines(findings: Findings, known: Known | None) -> Iterator[tuple[str, str]]:
    yield "File", f"{findings.format}, {findings.width}x{findings.height}"
    yield "Watermark", WATERMARKS[findings.watermark]
    yield "Recipe", "found" if findings.recipe else "none"
    yield "Kind", _kind(findings.source_type)
    yield "Credentials", "none" if findings.credentials is None else STATES[findings.credentials.state]
    if findings.credentials is not None:
        yield from (("", escape(text)) for text in _said(findings.credentials))
    yield "Index", escape(_place(findings, known))


def _kind(source_type: str | None) -> str:
    if source_type is None:
        return "not said"
    name = source_type.rpartition("/")[2]
    return escape(f"{name}: {SOURCE_TYPES[name]}" if name in SOURCE_TYPES else source_type)


def _said(credentials: Credentials) -> Iterator[str]:
    for reason in credentials.reasons:
        yield f"why: {reason}"
    if credentials.signer:
        yield f"signed by: {credentials.signer}"
    if credentials.actions:
        yield f"what was done: {', '.join(credentials.actions)}"
    for name, text in (
        ("model", credentials.model),
        ("when, by the signer's clock", credentials.when),
        ("image", credentials.title),
        ("made from image", credentials.parent),
    ):
        if text:
            yield f"{name}: {text}"


def _place(findings: Findings, known: Known | None) -> str:
    if known is None:
        return "there is none that can be read in the data folder"
    if known.file is not None:
        return f"this very file is image {known.file} of this Limner"
    if not known.named:
        return "not known to this Limner"
    trusted = findings.credentials is not None and findings.credentials.state is State.TRUSTED
    worth = "and the credentials vouch for that" if trusted else "which anybody may have written"
    return f"another file; its marks name image {findings.image_id} of this Limner, {worth}"
