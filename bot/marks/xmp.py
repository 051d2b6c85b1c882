"""The XMP packet of an image: what kind of thing it is, which program made it, which image it is, and its recipe."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import bot
from bot.marks.credentials import SOURCE_TYPE

#: Where a PNG has it.
PNG_KEY = "XML:com.adobe.xmp"
#: Of a packet; a segment of a JPEG holds no more.
BYTES_MAX = 65_502 - len(b"http://ns.adobe.com/xap/1.0/\0")
#: Of a packet that somebody else wrote, and that is read.
READ_MAX = 2**20
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
#: A name alone: nothing is to be found there.
LIMNER = "https://limner.invalid/ns/1.0/"
META = "adobe:ns:meta/"
#: The second is a mark by which programs find packets in files of any kind.
BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
END = '<?xpacket end="r"?>'

for prefix, namespace in {"rdf": RDF, "xmp": XMP, "Iptc4xmpExt": IPTC, "limner": LIMNER, "x": META}.items():
    ElementTree.register_namespace(prefix, namespace)


@dataclass(frozen=True, slots=True)
class Notes:
    """What a packet says of these."""

    source_type: str | None = None
    tool: str | None = None
    image_id: str | None = None
    recipe: str | None = None


def packet(image_id: str, recipe: str | None) -> bytes:
    """UTF-8. The recipe is JSON, for files that have no other place for it; one that does not fit is left out."""
    written = _packet(image_id, recipe)
    return written if len(written) <= BYTES_MAX else _packet(image_id, None)


def notes(written: bytes) -> Notes:
    """Of any packet; what cannot be read says nothing.

    No packet has a document type, in which entities would be declared that grow without end: such a one is not read.
    """
    try:
        text = written.decode("utf-8-sig").strip(" \t\r\n\0")
        if len(written) > READ_MAX or "<!DOCTYPE" in text or "<!ENTITY" in text:
            return Notes()
        root = ElementTree.fromstring(text)  # noqa: S314
    except (ElementTree.ParseError, ValueError):
        return Notes()
    said = dict(_said(root))
    return Notes(
        source_type=said.get(f"{{{IPTC}}}DigitalSourceType"),
        tool=said.get(f"{{{XMP}}}CreatorTool"),
        image_id=said.get(f"{{{LIMNER}}}id"),
        recipe=said.get(f"{{{LIMNER}}}recipe"),
    )


def packet_of(info: Mapping[str | tuple[int, int], Any]) -> bytes | None:
    """From what Pillow found in a file."""
    found = info.get("xmp") or info.get(PNG_KEY)
    return found.encode() if isinstance(found, str) else found if isinstance(found, bytes) else None


def _packet(image_id: str, recipe: str | None) -> bytes:
    root = ElementTree.Element(f"{{{META}}}xmpmeta")
    description = ElementTree.SubElement(
        ElementTree.SubElement(root, f"{{{RDF}}}RDF"), f"{{{RDF}}}Description", {f"{{{RDF}}}about": ""}
    )
    said = {
        f"{{{IPTC}}}DigitalSourceType": SOURCE_TYPE,
        f"{{{XMP}}}CreatorTool": f"Limner {bot.__version__}",
        f"{{{LIMNER}}}id": image_id,
        f"{{{LIMNER}}}recipe": recipe,
    }
    for name, text in said.items():
        if text is not None:
            ElementTree.SubElement(description, name).text = text
    return f"{BEGIN}{ElementTree.tostring(root, 'unicode')}{END}".encode()


def _said(root: ElementTree.Element) -> Iterator[tuple[str, str]]:
    """Properties may be attributes of a description as well as elements in it."""
    for description in root.iter(f"{{{RDF}}}Description"):
        yield from description.attrib.items()
        for element in description:
            if element.text:
                yield element.tag, element.text
            elif (resource := element.get(f"{{{RDF}}}resource")) is not None:
                yield element.tag, resource
