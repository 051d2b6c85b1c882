"""docs/slack.md says what is so."""

import re
from pathlib import Path

import pytest

from adapters.chat.deliveries import Tempo
from adapters.slack import admin, checkup
from adapters.slack.admin import DAYS_MOST, LIMIT_MOST, RULES, Admin
from adapters.slack.app import ACKNOWLEDGED
from adapters.slack.connection import RECONNECT
from adapters.slack.desk import GREETS
from adapters.slack.manifest import COMMANDS, HTTP_PATH, SCOPES, SHORTCUTS
from adapters.slack.views import IMAGES_SHOWN
from adapters.slack.words import LANGUAGES, words_for
from bot.errors import BadRequest
from bot.jobs import STRENGTH, Quality
from bot.pictures import BYTES_MAX
from bot.prompts import (
    GUIDANCE_MAX,
    IMAGES_MAX,
    PROMPT_LIMIT,
    SEED_MAX,
    SIDE_MAX,
    SIDE_MIN,
    SIDE_UNIT,
    STEPS_MAX,
)
from bot.service import VARIED
from bot.settings import PREFIX, Settings
from bot.typed import OPTIONS, read

PROJECT = Path(__file__).parents[3]
PAGE = (PROJECT / "docs" / "slack.md").read_text()
README = (PROJECT / "README.md").read_text()
WORDS = words_for("en")
#: What Slack itself says.
SLACKS_OWN = "failed with the error"


def section(heading: str) -> str:
    """Up to the next heading."""
    (text,) = re.findall(rf"^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


def tables(heading: str) -> list[list[list[str]]]:
    """Cells of the tables below a heading, without the tables' heads."""
    found = re.findall(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", section(heading), re.MULTILINE)
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()] for table in found]


def rows(heading: str) -> list[list[str]]:
    return [cells for table in tables(heading) for cells in table]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def bold(heading: str) -> list[str]:
    return [name for cells in rows(heading) for name in re.findall(r"^\*\*(.+?)\*\*", cells[0])]


def options() -> dict[str, list[str]]:
    """Name of an option -> the cells after it."""
    return {
        name: cells
        for first, *cells in rows("Options")
        for code in quoted(first)
        for name in re.findall(r"^--(\w+)", code)
    }


@pytest.fixture
def by_word() -> Admin:
    """It is looked at, and does nothing."""
    return Admin(None, None, None, None)  # type: ignore[arg-type]


def test_every_command_is_on_the_page_and_no_other(by_word: Admin) -> None:
    headings = {
        word for line in re.findall(r"^### (/.+)$", PAGE, re.MULTILINE) for word in re.findall(r"/[\w-]+", line)
    }
    listed = [quoted(command)[0] for command, *_ in rows("/limner and /limner-status")]

    assert headings == COMMANDS.keys()
    assert sorted(listed) == sorted(["/limner-status", *(f"/limner {word}" for word in words_of(by_word))])
    assert set(re.findall(r"`(/[a-z]+-?[a-z]*)\b(?!/)", PAGE)) - {"/invite", "/slack", "/"} <= COMMANDS.keys()


def words_of(by_word: Admin) -> list[str]:
    return [*by_word._for_all, *by_word._for_admins]


def test_what_belongs_to_admins_is_the_rules_and_the_status(by_word: Admin) -> None:
    who = {quoted(command)[0]: who for command, _, who, _ in rows("/limner and /limner-status")}

    assert {command for command, may in who.items() if may == "everybody"} == {
        f"/limner {word}" for word in by_word._for_all
    }
    assert set(who.values()) == {"everybody", "admins"}


def test_every_option_of_an_admins_command_is_on_the_page_with_its_range() -> None:
    said = {quoted(command)[0]: options for command, options, *_ in rows("/limner and /limner-status")}
    (offered,) = re.findall(r"`channels ([^`]+)`", WORDS.say("help.admin"))

    assert quoted(said["/limner limits"]) == [f"--{name}" for name in RULES]
    assert said["/limner limits"].endswith(f"each 0 to {LIMIT_MOST}")
    assert quoted(said["/limner channels"]) == offered.split("|")
    assert said["/limner purge"] == f"`@person`, `--days` (0 to {DAYS_MOST})"
    assert all(said[f"/limner {word}"] == "`@person`" for word in ("block", "unblock"))
    assert {command for command, options in said.items() if not options} == {
        "/limner-status",
        *(f"/limner {word}" for word in ("help", "about", "mydata", "forget", "pause", "resume")),
    }
    source = Path(admin.__file__).read_text()
    assert all(f'"{action}"' in source for action in offered.split("|"))


def test_every_option_of_painting_is_on_the_page_and_no_other() -> None:
    assert sorted(options()) == sorted(OPTIONS)


def test_what_the_page_shows_of_an_option_is_read_as_it_says() -> None:
    for first, *_ in rows("Options"):
        for code in quoted(first):
            assert read(f"a cat {code}").words == "a cat", code
    assert read("a cat \u2014steps 40 --guidance 0,4") == read("a cat --steps=40 --guidance 0.4")
    assert "`\u2014steps 40` is read, too" in PAGE
    assert read("a cat \u2014really").words == "a cat \u2014really"
    assert "`\u2014really` is a word" in PAGE
    with pytest.raises(BadRequest):
        read("a cat \u2014stpes 40")
    assert "`\u2014stpes` is told as a mistake" in PAGE


def test_the_numbers_on_the_page_are_the_codes() -> None:
    takes = {name: cells[0] for name, cells in options().items()}
    left_out = {name: cells[1] for name, cells in options().items()}

    assert f"multiples of {SIDE_UNIT} from {SIDE_MIN} to {SIDE_MAX}" in takes["size"]
    assert quoted(takes["quality"]) == list(Quality)
    assert left_out["quality"] == f"`{Quality.STANDARD}`"
    assert takes["steps"].startswith(f"1 to {STEPS_MAX};")
    assert takes["guidance"].startswith(f"0 to {GUIDANCE_MAX:g}:")
    assert takes["seed"].startswith(f"0 to {SEED_MAX};")
    assert takes["images"].startswith(f"1 to {IMAGES_MAX} ")
    assert f"up to {PROMPT_LIMIT} characters" in takes["no"]
    assert f"up to {PROMPT_LIMIT} characters" in section("/generate")
    assert left_out["strength"] == f"{STRENGTH:g}"
    assert f"strength {VARIED:g}" in PAGE
    assert f"up to {BYTES_MAX // 2**20} MiB" in PAGE
    assert f"your last {IMAGES_SHOWN} images" in PAGE
    assert f"every {Tempo().progress:g} seconds at most, every {Tempo().queue:g} while it waits" in " ".join(
        PAGE.split()
    )
    assert RECONNECT == 5
    assert "tries again every five seconds" in " ".join(PAGE.split())
    assert f"refused, or after {ACKNOWLEDGED:g} seconds" in " ".join(PAGE.split())


def test_every_scope_is_on_the_page_and_no_other_and_none_reads_channels() -> None:
    assert sorted(quoted(scope)[0] for scope, _ in rows("Scopes")) == sorted(SCOPES)
    assert {scope for scope in SCOPES if scope.endswith(":history")} == {"im:history"}
    assert f"all {len(SCOPES)} that Limner needs" in PAGE


def test_every_entry_of_the_menu_is_on_the_page_and_no_other() -> None:
    assert bold("In the menu of a message") == [WORDS.say(f"menu.{key}") for key in SHORTCUTS.values()]


def test_every_button_is_on_the_page_and_no_other() -> None:
    asked_first = ("confirm_", "keep")
    keys = [key.removeprefix("button.") for key in WORDS.sentences if key.startswith("button.")]
    labels = [
        WORDS.say(f"button.{key}") for key in keys if not key.endswith(".number") and not key.startswith(asked_first)
    ]

    assert sorted(bold("Buttons")) == sorted(labels)


def test_every_greeting_is_on_the_page() -> None:
    said = section("Mentions and direct messages")

    assert all(f"`{word}`" in said for word in GREETS if word.isalpha())


def test_every_language_is_on_the_page_and_no_other() -> None:
    assert [quoted(code)[0] for _, code in rows("Languages")] == list(LANGUAGES)


def test_every_setting_of_slack_is_on_the_page_and_no_other() -> None:
    of_slack = [name.upper() for name in Settings.model_fields if "slack" in name]
    variables = [name if name.endswith(("_TOKEN", "_SECRET")) else PREFIX + name for name in of_slack]

    assert sorted(quoted(name)[0] for name, _ in rows("Settings")) == sorted(variables)


def test_the_way_by_http_is_told_with_its_path() -> None:
    told = section("HTTP in place of Socket Mode")

    assert f"https://limner.example.org{HTTP_PATH}" in told
    assert f"reverse_proxy {HTTP_PATH} " in told


def test_what_the_page_quotes_is_what_people_read() -> None:
    """As far as it is quoted."""
    # A number with its noun, as it is read.
    said = re.sub(r"{\w+:[^|}]+\|([^}]+)}", r"\1", "\n".join(WORDS.sentences.values()))
    table, _ = tables("When something goes wrong")
    quotes = [quote for cells in table for quote in re.findall(r"\"([^\"]+)\"", cells[0])]

    assert len(quotes) > 10
    assert SLACKS_OWN in quotes
    for quote in [quote for quote in quotes if quote != SLACKS_OWN]:
        parts = [part.strip(" .") for part in re.split(r"…|\d+", quote)]
        assert all(part in said for part in parts), quote


def test_what_the_page_says_of_the_log_and_doctor_is_what_they_say() -> None:
    rooms = (PROJECT / "adapters" / "slack", PROJECT / "adapters" / "chat", PROJECT / "bot")
    sources = "\n".join(path.read_text() for room in rooms for path in sorted(room.glob("*.py")))
    _, table = tables("When something goes wrong")
    lines = [line for cells in table for line in quoted(cells[0]) if line not in ("why", HTTP_PATH)]

    assert len(lines) > 10
    for line in lines:
        assert line.strip(" …") in sources, line


def test_what_the_page_shows_of_doctor_is_what_doctor_says() -> None:
    (shown,) = re.findall(r"^   ```\n((?:   (?:ok|!!| ).*\n)+)   ```$", PAGE, re.MULTILINE)
    source = Path(checkup.__file__).read_text()

    for subject in (checkup.BOT, checkup.SCOPE, checkup.SOCKET, checkup.CHANNELS):
        assert f"  {subject:15} " in shown
    for line in ("Socket Mode is on, and the app token is good for it", "the bot is in none"):
        assert line in shown
        assert line in source


def test_readme_leads_here_and_no_longer_says_that_slack_does_not_work() -> None:
    assert "](docs/slack.md)" in README
    assert "Slack does not work yet" not in README
    assert "one day, Slack" not in README
