"""All that is kept of somebody, as a ZIP file that they can keep, and a space's record as a table. Blocking."""

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from bot.decisions import Decision
from bot.jobs import Belongings

#: Of a file inside, beside its bytes: headers and the directory at the end.
OVERHEAD = 512


@dataclass(frozen=True, slots=True)
class Export:
    zip: bytes
    #: All picture files are in it.
    complete: bool


def packed(belongings: Belongings, files: Mapping[str, Path], limit: int) -> Export:
    """In at most `limit` bytes; the newest pictures are in it where not all fit. `files` are by image ID."""
    listed = json.dumps(_listed(belongings), ensure_ascii=False, indent=1).encode()
    file = io.BytesIO()
    left = limit
    complete = True
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("limner.json", listed)
        left -= archive.infolist()[0].compress_size + OVERHEAD
        # What is held is shown to nobody yet.
        for image in (image for image in reversed(belongings.images) if not image.held):
            path = files.get(image.id)
            if path is None or image.size + OVERHEAD > left:
                complete = False
                continue
            try:
                # PNGs do not get smaller.
                archive.write(path, f"images/{image.id}.png", zipfile.ZIP_STORED)
            except FileNotFoundError:
                # Deleted just now.
                complete = False
                continue
            left -= image.size + OVERHEAD
    return Export(file.getvalue(), complete)


def table(decisions: Sequence[Decision]) -> bytes:
    """A record as CSV, with a line of names; times are seconds since 1970."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    names = [field.name for field in fields(Decision)]
    writer.writerow(names)
    writer.writerows([getattr(decision, name) for name in names] for decision in decisions)
    return file.getvalue().encode()


def _listed(belongings: Belongings) -> dict[str, object]:
    """Times are seconds since 1970.

    Without the origins of jobs: they may hold a key to answer with in Limner's name, which is not for others.
    """
    return {
        "jobs": [{name: value for name, value in asdict(job).items() if name != "origin"} for job in belongings.jobs],
        "images": [asdict(image) for image in belongings.images],
        "messages": [asdict(message) for message in belongings.messages],
        "decisions": [asdict(decision) for decision in belongings.decisions],
    }
