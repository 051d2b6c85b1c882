"""The playground's files: what is served, to whom, and what browsers are told of it."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

import adapters.web
from adapters.web import playground
from adapters.web.app import build
from adapters.web.playground import TYPES, Files, wants_html
from bot.service import Service
from tests.adapters.web.clients import client_of, ok, problem
from tests.conftest import OpenLimner

PROJECT = Path(__file__).parents[3]
PAGE = Path(adapters.web.__file__).parent / "page"
#: As browsers ask for a page.
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
CONTENT = {
    "index.html": b"<!doctype html><title>chat</title>",
    "admin.html": b"<!doctype html><title>admin</title>",
    "style.css": b"p { margin: 0 }",
    "chat.js": b"export const nothing = 0;",
    "icon.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "dot.png": b"\x89PNG",
    "notes.md": b"not for others",
    "README": b"not for others",
}
KINDS = {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "chat.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "dot.png": "image/png",
}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    folder = tmp_path / "page"
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return playground.read(folder)


def client(service: Service, files: Files, *keys: str) -> httpx.AsyncClient:
    app = build(service, keys, files=files)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


def guarded(headers: Mapping[str, str]) -> None:
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["img-src"] == "'self' blob:"
    assert {policy[name] for name in ("object-src", "base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


async def test_a_browser_gets_the_page_and_a_program_what_it_always_got(limner: OpenLimner, files: Files) -> None:
    async with limner() as service, client(service, files) as asked:
        page = await asked.get("/", headers={"Accept": BROWSER})
        index = await asked.get("/")

    assert (page.status_code, page.content) == (200, CONTENT["index.html"])
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    guarded(page.headers)
    assert ok(index).keys() == {"name", "version", "openapi", "status"}
    # Else a cache between would give one of them the other's.
    assert page.headers["vary"] == index.headers["vary"] == "Accept"


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("TEXT/HTML", True),
        ("text/html;q=0.5", True),
        ("text/html; charset=utf-8; q=0.5", True),
        ("application/json;q=0.5, text/html", True),
        ("application/json, text/html", True),
        ("", False),
        ("*/*", False),
        ("text/*", False),
        ("application/json", False),
        ("text/html;q=0", False),
        ("text/html;q=0.0", False),
        ("text/html;q=x", False),
        ("text/html;q=nan", False),
        ("text/html;q=-1", False),
        ("application/json, text/html;q=0.9", False),
        ("text/htmlx, xtext/html, text /html", False),
        (";q=1,,;;=", False),
        ("text/html" * 10_000, False),
    ],
)
def test_html_is_for_who_names_it_and_wants_nothing_more(accept: str, html: bool) -> None:
    assert wants_html(accept) is html


async def test_the_admin_page_and_all_files_come_as_what_they_are(limner: OpenLimner, files: Files) -> None:
    async with limner() as service, client(service, files) as asked:
        admin = await asked.get("/admin")
        got = {name: await asked.get(f"/page/{name}") for name in KINDS}

    assert (admin.status_code, admin.content) == (200, CONTENT["admin.html"])
    guarded(admin.headers)
    assert {name: response.content for name, response in got.items()} == {name: CONTENT[name] for name in KINDS}
    assert {name: response.headers["content-type"] for name, response in got.items()} == KINDS
    for response in got.values():
        guarded(response.headers)


@pytest.mark.parametrize("path", ["/", "/admin", "/page/style.css"])
async def test_a_file_is_sent_once_while_it_stays_the_same(limner: OpenLimner, files: Files, path: str) -> None:
    async with limner() as service, client(service, files) as asked:
        asked.headers["Accept"] = BROWSER
        first = await asked.get(path)
        tag = first.headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = await asked.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
            guarded(again.headers)
        for other in ('"other"', tag.strip('"'), ""):
            assert (await asked.get(path, headers={"If-None-Match": other})).content == first.content

    assert first.headers["cache-control"] == "no-cache"


async def test_files_that_differ_have_different_tags(limner: OpenLimner, files: Files) -> None:
    assert len({file.etag for file in files.values()}) == len(files) == len(CONTENT) - 2


@pytest.mark.parametrize(
    "name",
    [
        "notes.md",
        "README",
        "nothing.js",
        "Style.css",
        "style.css%00",
        "style.css%20",
        "..%2findex.html",
        "%2e%2e%2fapp.py",
        "..%5c..%5capp.py",
        "%2fetc%2fpasswd",
        "....%2f%2fapp.py",
        "a" * 5000,
        "%F0%9F%90%88",
    ],
)
async def test_what_is_no_file_of_the_page_is_not_found(limner: OpenLimner, files: Files, name: str) -> None:
    async with limner() as service, client(service, files) as asked:
        url = httpx.URL("http://localhost").copy_with(raw_path=f"/page/{name}".encode())
        response = await asked.get(url)

    problem(response, 404, "not_found")


async def test_no_key_is_asked_for_before_the_page_can_ask_for_one(limner: OpenLimner, files: Files) -> None:
    async with limner() as service, client(service, files, "ada-5f2c9e") as asked:
        for path in ("/", "/admin", "/page/chat.js"):
            assert (await asked.get(path, headers={"Accept": BROWSER})).status_code == 200


async def test_without_its_files_a_server_still_serves_programs(limner: OpenLimner) -> None:
    async with limner() as service, client(service, {}) as asked:
        ok(await asked.get("/", headers={"Accept": BROWSER}))
        problem(await asked.get("/admin"), 404, "not_found")
        problem(await asked.get("/page/style.css"), 404, "not_found")


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert playground.read(tmp_path / "nothing") == {}


async def test_the_pages_of_the_program_come_with_all_that_they_name(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as asked:
        for path in ("/", "/admin"):
            page = await asked.get(path, headers={"Accept": BROWSER})
            assert page.headers["content-type"] == "text/html; charset=utf-8"
        for file in PAGE.iterdir():
            assert (await asked.get(f"/page/{file.name}")).content == file.read_bytes()


# A second.
@pytest.mark.slow
def test_what_is_installed_has_the_page(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    for name in ("adapters", "bot", "storage"):
        shutil.copytree(PROJECT / name, source / name, ignore=shutil.ignore_patterns("demo", "__pycache__"))
    build_wheel = f"from setuptools.build_meta import build_wheel; build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build_wheel], cwd=source, check=True, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        installed = {name for name in archive.namelist() if name.startswith("adapters/web/page/")}

    assert installed == {f"adapters/web/page/{path.name}" for path in PAGE.iterdir()}
    assert {path.suffix for path in PAGE.iterdir()} <= TYPES.keys()
