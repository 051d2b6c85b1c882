"""Discord's rules for messages and modals that its published document does not tell."""

from collections import Counter
from collections.abc import Iterator

from tests.fakes.discord.kinds import Part
from tests.fakes.discord.message_payloads import ATTACHED
from tests.fakes.discord.messages import Contents, Flags, Json, walk

#: Characters of a message, of all embeds of a message together, and of all text displays together.
LONGEST_CONTENT, LONGEST_EMBEDS, LONGEST_DISPLAYS = 2000, 6000, 4000
MOST_ROWS, MOST_BUTTONS, MOST_PARTS, MOST_FIELDS = 5, 5, 40, 5
MOST_ATTACHMENTS = 10
SELECTS = {Part.SELECT, 5, 6, 7, 8}
#: Of a button.
LINK, PREMIUM = 5, 6
#: Parts that are there without the flag for components of the second version.
OLD_PARTS = {Part.ROW, Part.BUTTON, *SELECTS}


def message_breaches(contents: Contents) -> Iterator[str]:
    """Of the message as it would stand."""
    if len(contents.content) > LONGEST_CONTENT:
        yield f"content has {len(contents.content)} characters, {LONGEST_CONTENT} are allowed"
    if (length := sum(map(_embed_length, contents.embeds))) > LONGEST_EMBEDS:
        yield f"the embeds have {length} characters together, {LONGEST_EMBEDS} are allowed"
    if len(contents.attachments) > MOST_ATTACHMENTS:
        yield f"there are {len(contents.attachments)} attachments, {MOST_ATTACHMENTS} are allowed"
    parts = list(walk(contents.components))
    yield from _repeated_ids(parts)
    for part in parts:
        yield from _part_breaches(part)
    yield from _second_version(contents, parts) if Flags.IS_COMPONENTS_V2 in contents.flags else _first_version(parts)
    yield from _dangling_links(contents)


def _embed_length(embed: Json) -> int:
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    for field in embed.get("fields") or ():
        texts += [field.get("name"), field.get("value")]
    return sum(len(text) for text in texts if text)


def _repeated_ids(parts: list[Json]) -> Iterator[str]:
    for key in ("custom_id", "id"):
        counts = Counter(part[key] for part in parts if part.get(key))
        yield from (f"{key} {name!r} stands there {count} times" for name, count in counts.items() if count > 1)


def _part_breaches(part: Json) -> Iterator[str]:
    if part.get("type") == Part.ROW:
        kinds = [one.get("type") for one in part.get("components") or ()]
        if not kinds:
            yield "a row is empty"
        if SELECTS & set(kinds) and len(kinds) > 1:
            yield "a select menu shares its row"
        if len(kinds) > MOST_BUTTONS:
            yield f"a row has {len(kinds)} buttons, {MOST_BUTTONS} are allowed"
    elif part.get("type") == Part.BUTTON:
        yield from _button_breaches(part)
    elif part.get("type") == Part.SELECT:
        yield from _select_breaches(part)


def _button_breaches(button: Json) -> Iterator[str]:
    style, name = button.get("style"), button.get("label") or button.get("custom_id") or button.get("url")
    if style == LINK and (not button.get("url") or button.get("custom_id")):
        yield f"link button {name!r} must have a url and no custom_id"
    if style not in (LINK, PREMIUM) and (not button.get("custom_id") or button.get("url")):
        yield f"button {name!r} must have a custom_id and no url"
    if style != PREMIUM and not (button.get("label") or button.get("emoji")):
        yield f"button {name!r} has neither label nor emoji"


def _select_breaches(select: Json) -> Iterator[str]:
    values = [option.get("value") for option in select.get("options") or ()]
    low, high = select.get("min_values"), select.get("max_values")
    defaults = sum(bool(option.get("default")) for option in select.get("options") or ())
    if not values:
        yield f"select menu {select.get('custom_id')!r} has no options"
    if len(set(values)) < len(values):
        yield f"select menu {select.get('custom_id')!r} repeats a value"
    if (1 if low is None else low) > (high or 1) or (high or 1) > max(1, len(values)) or defaults > (high or 1):
        yield f"select menu {select.get('custom_id')!r}: {len(values)} options, {defaults} chosen, {low} to {high}"


def _first_version(parts: list[Json]) -> Iterator[str]:
    rows = sum(part.get("type") == Part.ROW for part in parts)
    if rows > MOST_ROWS:
        yield f"there are {rows} rows, {MOST_ROWS} are allowed"
    if new := sorted({part["type"] for part in parts if part.get("type") not in OLD_PARTS}):
        yield f"components of the types {new} need the flag IS_COMPONENTS_V2"


def _second_version(contents: Contents, parts: list[Json]) -> Iterator[str]:
    if contents.content or contents.embeds:
        yield "IS_COMPONENTS_V2 goes with neither content nor embeds"
    if len(parts) > MOST_PARTS:
        yield f"there are {len(parts)} components, {MOST_PARTS} are allowed"
    if len(contents.text) > LONGEST_DISPLAYS:
        yield f"the text displays have {len(contents.text)} characters, {LONGEST_DISPLAYS} are allowed"


def _dangling_links(contents: Contents) -> Iterator[str]:
    there = {ATTACHED + one.filename for one in contents.attachments}
    links = set(_links([*contents.embeds, *contents.components]))
    yield from (f"{link} names no file of the message" for link in links if _is_attached(link) and link not in there)
    if Flags.IS_COMPONENTS_V2 in contents.flags:
        for one in contents.attachments:
            if not {ATTACHED + one.filename, one.url} & links:
                yield f"no component shows {one.filename!r}, so nobody sees it"


def _is_attached(link: str) -> bool:
    return link.startswith(ATTACHED)


def _links(value: object) -> Iterator[str]:
    match value:
        case dict():
            for key, part in value.items():
                if key == "url" and isinstance(part, str):
                    yield part
                yield from _links(part)
        case list():
            for part in value:
                yield from _links(part)


def modal_breaches(modal: Json) -> Iterator[str]:
    components = modal.get("components") or []
    if not 1 <= len(components) <= MOST_FIELDS:
        yield f"the modal has {len(components)} components, 1 to {MOST_FIELDS} are allowed"
    parts = list(walk(components))
    yield from _repeated_ids(parts)
    for part in parts:
        if part.get("type") == Part.SELECT:
            yield from _select_breaches(part)
        if part.get("type") == Part.TEXT_INPUT:
            yield from _input_breaches(part)


def _input_breaches(field: Json) -> Iterator[str]:
    low, high, value = field.get("min_length") or 0, field.get("max_length") or 4000, field.get("value") or ""
    if low > high:
        yield f"text field {field.get('custom_id')!r} takes {low} to {high} characters"
    if value and not low <= len(value) <= high:
        yield f"text field {field.get('custom_id')!r} comes with {len(value)} characters, it takes {low} to {high}"
