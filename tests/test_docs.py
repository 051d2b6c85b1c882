"""README, CONTRIBUTING, docs/ and .env.example say what is so."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks.alike import are_alike
from bot.cli import cli
from bot.inference.pipelines import DEMO, Pipelines
from bot.jobs import STRENGTH, ImageRequest, Quality, Sampler
from bot.pictures import BYTES_MAX as PICTURE_BYTES_MAX
from bot.prompts import (
    GUIDANCE_MAX,
    IMAGES_MAX,
    LCM_STEPS_MAX,
    PROMPT_LIMIT,
    SEED_MAX,
    SIDE_MAX,
    SIDE_MIN,
    SIDE_UNIT,
    STEPS_MAX,
)
from bot.quality import GENERATE
from bot.service import CHOSEN_SEED_LIMIT
from bot.settings import PREFIX, Settings, read_settings
from docs import generate
from tests.bot.inference.painting import painted, work
from tests.conftest import OpenLimner

PROJECT = Path(__file__).parents[1]
DOCS = PROJECT / "docs"
README = PROJECT / "README.md"
ENV_EXAMPLE = PROJECT / ".env.example"
PAGES = [README, PROJECT / "CONTRIBUTING.md", PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").rglob("*.md"))]

VARIABLE = re.compile(rf"\b(?:{PREFIX}[A-Z_]+|[A-Z]+_(?:[A-Z]+_)?TOKEN)\b")


def variables() -> dict[str, str]:
    """Environment variable -> its default as text, "" where there is none."""
    return {variable: default for _, variable, default, _ in generate.variables()}


def rows(page: Path, first_cell: str) -> list[tuple[str, ...]]:
    """Of the page's table that begins with this head; the back quotes around a whole cell are taken off."""
    lines = iter(page.read_text().splitlines())
    next(line for line in lines if line.startswith(f"| {first_cell} |"))
    next(lines)
    found: list[tuple[str, ...]] = []
    for line in lines:
        if not line.startswith("|"):
            return found
        found.append(tuple(re.sub(r"^`([^`]+)`$", r"\1", cell.strip()) for cell in line.strip("|").split(" | ")))
    return found


def code(page: Path, language: str = r"\w*") -> list[str]:
    """The fenced blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nobody had set anything."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if VARIABLE.fullmatch(name):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("page", generate.PAGES, ids=lambda page: page.name)
def test_the_reference_is_what_the_code_says(page: Path) -> None:
    assert page.read_text() == generate.PAGES[page](), "`make docs` writes it anew"


def test_nothing_in_the_reference_goes_without_words() -> None:
    for name in ("settings", "errors", "metrics", "http"):
        table = [line for line in (generate.REFERENCE / f"{name}.md").read_text().splitlines() if line.startswith("|")]
        # A route may have nothing in its query.
        last = 2 if name == "http" else 1
        assert [line for line in table if not any(cell.strip() for cell in line.split("|")[-1 - last : -1])] == []


def test_every_setting_of_the_example_is_commented_out_and_explained() -> None:
    blocks = ENV_EXAMPLE.read_text().strip().split("\n\n")[1:]

    assert all(re.fullmatch(r"(?:# .+\n)*# .*\.\n# [A-Z_]+=.*", block) for block in blocks)
    assert len(blocks) == len(Settings.model_fields)


@pytest.mark.usefixtures("no_settings")
def test_the_example_of_an_env_file_with_its_comments_off_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(re.sub(r"^# ([A-Z_]+=)", r"\1", ENV_EXAMPLE.read_text(), flags=re.MULTILINE))

    assert read_settings() == Settings.model_construct()


@pytest.mark.usefixtures("no_settings")
def test_the_limner_toml_that_is_shown_is_read_and_weighs_less_than_env_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (text,) = code(DOCS / "settings.md", "toml")
    example = tomllib.loads(text)
    (tmp_path / "limner.toml").write_text(text)

    assert example.keys() <= Settings.model_fields.keys()
    assert read_settings(_env_file=None) == Settings(**example)
    (tmp_path / ".env").write_text("LIMNER_QUEUE_LIMIT=7\nLIMNER_HTTP_PORT=7")
    monkeypatch.setenv("LIMNER_HTTP_PORT", "8")
    assert (read_settings().queue_limit, read_settings().http_port) == (7, 8)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_no_variable_that_there_is_not(page: Path) -> None:
    assert set(VARIABLE.findall(page.read_text())) <= variables().keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())

    assert [link for link in links if not link.startswith("https://") and not _leads_somewhere(page, link)] == []


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page: Path) -> list[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


async def test_the_reference_has_every_metric_and_no_other(limner: OpenLimner) -> None:
    async with limner() as service:
        # Metrics with labels are not told before one of them is known.
        known = {
            name
            for names in service.telemetry.metrics.registry._collector_to_names.values()
            for name in names
            if name.startswith("limner_") and not name.endswith(("_created", "_bucket", "_sum", "_count"))
        }
    counters = {name for name in known if f"{name}_total" in known}

    written = {
        name for row in rows(generate.REFERENCE / "metrics.md", "Metric") for name in re.findall(r"limner_\w+", row[0])
    }
    assert written == known - counters


def test_the_limits_are_the_codes() -> None:
    limits = {what: (allowed, default) for what, allowed, default in rows(DOCS / "requests.md", "What")}

    assert limits["`prompt`, `negative_prompt`"][0].startswith(f"up to {PROMPT_LIMIT} characters")
    assert limits["`width`, `height`"][0] == f"multiples of {SIDE_UNIT} from {SIDE_MIN} to {SIDE_MAX}"
    steps = f"1 to {STEPS_MAX}; with the sampler `{Sampler.LCM}` 1 to {LCM_STEPS_MAX}"
    assert limits["num_inference_steps"] == (steps, f"by `quality`: {GENERATE[Quality.STANDARD].num_inference_steps}")
    assert limits["guidance_scale"] == (
        f"0 to {GUIDANCE_MAX:g}; 1 or less turns it off",
        f"by `quality`: {GENERATE[Quality.STANDARD].guidance_scale:g}",
    )
    assert limits["`strength` (refine)"][1] == f"{STRENGTH:g}"
    assert limits["seed"] == (f"0 to {SEED_MAX}", f"by chance, below {CHOSEN_SEED_LIMIT}")
    assert limits["sampler"][0] == ", ".join(f"`{sampler}`" for sampler in Sampler)
    assert limits["`num_images` (generate over HTTP)"][0].startswith(f"1 to {IMAGES_MAX};")
    assert f"up to {PICTURE_BYTES_MAX // 2**20} MiB" in limits["a picture for `limner refine` and `POST /images`"][0]
    assert limits["waiting jobs"] == ("LIMNER_QUEUE_LIMIT", str(Settings.model_fields["queue_limit"].default))


@pytest.mark.slow
def test_the_lines_that_paint_an_image_again_give_one_that_is_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lines,) = code(DOCS / "recipes.md", "python")
    request = ImageRequest(prompt="a cat in a hat", seed=7, width=64, height=64, num_inference_steps=2)
    (image,) = painted(Pipelines.load(DEMO, DEMO), work(request))
    (tmp_path / "limner-7.png").write_bytes(image.png)
    (tmp_path / "bot").symlink_to(PROJECT / "bot")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}

    exec(lines, names)

    assert are_alike(names["again"], Image.open("limner-7.png"))
    assert names["apart"] <= 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_a_page_names_is_there(page: Path) -> None:
    snippets = [*code(page), *re.findall(r"`([^`\n]+)`", page.read_text())]
    named = {target for snippet in snippets for target in re.findall(r"\bmake ([a-z.][\w./-]*)", snippet)}
    targets = set(re.findall(r"^([\w./-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))

    assert named <= targets


def test_ci_runs_make_test_and_nothing_else() -> None:
    script = PROJECT / ".ci" / "run"
    first, *lines = script.read_text().splitlines()

    assert first == "#!/bin/sh"
    assert [line for line in lines if line and not line.startswith("#")] == ["make test"]
    assert os.access(script, os.X_OK)


def test_git_keeps_out_what_is_secret_or_made_here_and_nothing_else(tmp_path: Path) -> None:
    """In a repository made for this, so that it also holds where the sources came without one."""
    (tmp_path / ".gitignore").write_bytes((PROJECT / ".gitignore").read_bytes())
    kept_out = [
        *(".env", "data/limner.sqlite", "data/images/01/01.png", "limner.egg-info/PKG-INFO", "build/x", "dist/x"),
        *(".venv/run", ".venv-dstack/installed", ".venv-lock/x", "bot/__pycache__/cli.pyc"),
        "site/index.html",
        *(".mypy_cache/x", ".ruff_cache/x", ".pytest_cache/x", ".import_linter_cache/x"),
    ]
    taken = [".env.example", "docs/picture.png", "bot/inference/demo/base/model_index.json", "storage/schema.sql"]
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)

    check = ["git", "-C", str(tmp_path), "check-ignore", *kept_out, *taken]
    ignored = subprocess.run(check, capture_output=True, text=True, check=True).stdout.splitlines()

    assert ignored == kept_out


def test_the_page_about_the_command_line_speaks_of_every_command() -> None:
    text = (DOCS / "commands.md").read_text()

    names = [name.split()[0] for name in generate.command_names(cli)]
    assert [name for name in names if not re.search(rf"`{name}`|limner {name}\b", text)] == []


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_asks_nothing_of_others(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path)],
        cwd=PROJECT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert built.returncode == 0, built.stderr
    pages = {page: page.read_text() for page in tmp_path.rglob("*.html")}
    assert {page.stem for page in DOCS.glob("*.md")} <= {page.parent.name for page in pages} | {"index"}
    loaded = r"<(?:script|img|iframe)[^>]* src=\"https?:|<link[^>]* rel=\"stylesheet\"[^>]* href=\"https?:"
    assert [page for page, text in pages.items() if re.search(loaded, text)] == []
