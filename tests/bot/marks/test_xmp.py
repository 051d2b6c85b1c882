"""The XMP packet: written, read back, and read from strangers."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.jobs import Recipe
from bot.marks.credentials import SOURCE_TYPE
from bot.marks.xmp import BYTES_MAX, Notes, notes, packet
from tests.bot.marks.kinds import RECIPE


def as_json(recipe: Recipe) -> str:
    return json.dumps(asdict(recipe))


def test_what_is_written_is_read() -> None:
    found = notes(packet("image-1", as_json(RECIPE)))

    assert found.source_type == SOURCE_TYPE
    assert found.tool is not None
    assert found.tool.startswith("Limner ")
    assert found.image_id == "image-1"
    assert found.recipe is not None
    assert Recipe.from_json(found.recipe) == RECIPE


@settings(deadline=None, database=None)
@given(st.text(max_size=200))
def test_any_prompt_is_read_back(prompt: str) -> None:
    found = notes(packet("image-1", as_json(replace(RECIPE, prompt=prompt))))

    assert found.recipe is not None
    assert Recipe.from_json(found.recipe).prompt == prompt


def test_a_recipe_that_does_not_fit_a_jpeg_is_left_out_and_all_else_stays() -> None:
    written = packet("image-1", as_json(replace(RECIPE, prompt="x" * BYTES_MAX)))

    assert len(written) < 2000
    assert notes(written) == replace(notes(packet("image-1", None)), recipe=None)
    assert notes(written).image_id == "image-1"


def test_the_longest_prompts_fit() -> None:
    long = replace(RECIPE, prompt="🎩" * 2000, negative_prompt="🎩" * 2000)

    assert notes(packet("image-1", as_json(long))).recipe == as_json(long)


def test_properties_may_be_attributes_or_resources_too() -> None:
    written = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
        xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"><rdf:RDF>
        <rdf:Description rdf:about="" xmp:CreatorTool="Another"><i:DigitalSourceType rdf:resource="{SOURCE_TYPE}"/>
        </rdf:Description></rdf:RDF></x:xmpmeta>"""

    assert notes(written.encode()) == Notes(source_type=SOURCE_TYPE, tool="Another")


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"no XML",
        b"<x>",
        b"\xff\xfe\x00",
        b"<x xmlns:a=''/>",
        BOMB.encode(),
        BOMB.encode("utf-16"),
        b"<?xml version='1.0' encoding='cp037'?>" + BOMB.encode("cp037"),
        b"<x>" + b" " * 2**20 + b"</x>",
        b"<a>" * 20_000,
    ],
)
def test_what_is_no_plain_packet_says_nothing(written: bytes) -> None:
    assert notes(written) == Notes()
