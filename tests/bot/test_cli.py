"""The command line, as it is typed: a process of its own, the demo model, real workers."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest
from PIL import Image
from typer.testing import CliRunner

import bot
from bot.cli import cli
from tests.fakes.executor import png
from tests.scenarios.conftest import LIMNER, PATIENCE, Server, environment, until

#: Whatever the machine has, so that all machines find the same.
CPU = {"CUDA_VISIBLE_DEVICES": ""}
SECRETS = {
    "DISCORD_TOKEN": "hush-discord",
    "SLACK_BOT_TOKEN": "xoxb-hush-bot",
    "SLACK_APP_TOKEN": "xapp-hush-app",
    "SLACK_SIGNING_SECRET": "hush-signing",
    "HF_TOKEN": "hf_hush",
    "LIMNER_API_KEYS": "hush-key",
}
#: Nobody listens there; doctor and the server look for a chat where there is a token.
NOWHERE = {"LIMNER_DISCORD_API_URL": "http://127.0.0.1:1/api/v10", "LIMNER_SLACK_API_URL": "http://127.0.0.1:1/api/"}
WITHOUT_CHATS = {"DISCORD_TOKEN": "", "SLACK_BOT_TOKEN": ""}
pytestmark = pytest.mark.slow

COMMANDS = ["serve", "generate", "refine", "status", "doctor", "bench", "manifest", "db"]
CAT = ("generate", "a cat in a hat", "--steps", "2", "--size", "64x64", "--seed", "7", "--negative", "text")


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str
    #: Where it ran.
    folder: Path

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {"tmp"}


def begin(folder: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """In a session of its own, so that a signal for all its processes reaches nobody else."""
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    more = {**CPU, **SECRETS, **NOWHERE, "TMPDIR": str(temporary), "COLUMNS": "200", **variables}
    return subprocess.Popen(
        [*LIMNER, *arguments],
        cwd=folder,
        env=environment(folder / "data", **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str], folder: Path) -> Ended:
    """Whatever was typed, nobody sees a traceback or a secret, and no temporary file stays."""
    out, err = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in err + out, err + out
    assert "hush" not in err + out
    assert list((folder / "tmp").glob("limner-*")) == []
    return Ended(process.returncode, out, err, folder)


def limner(folder: Path, *arguments: str, **variables: str) -> Ended:
    return end(begin(folder, *arguments, **variables), folder)


Runs = dict[str, Ended]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """All that need a worker or torch, which take seconds each, two at a time."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("again", "doctor wrong"):
        (folder / name).mkdir()
    (folder / "again" / "limner-7.png").write_bytes(b"an older picture")
    (folder / "doctor wrong" / "file").touch()
    mishaps = {
        "LIMNER_DATA_DIR": "file/data",
        "LIMNER_MODEL": "./no[/]model",
        "LIMNER_IMAGE_CHECK": "./nowhere",
        "SLACK_BOT_TOKEN": "hush bot",
    }
    with ThreadPoolExecutor(2) as pool:
        begun = {
            "cat": pool.submit(limner, folder / "cat", *CAT, "-o", "cat.png"),
            "again": pool.submit(limner, folder / "again", *CAT),
            "full": pool.submit(limner, folder / "full", *CAT, "-o", "/dev/full"),
            "no model": pool.submit(limner, folder / "no model", *CAT, LIMNER_MODEL="./no[/]model"),
            "doctor": pool.submit(limner, folder / "doctor", "doctor", **WITHOUT_CHATS),
            "doctor wrong": pool.submit(limner, folder / "doctor wrong", "doctor", **mishaps),
        }
        source = begun["cat"].result().folder / "cat.png"
        begun["refined"] = pool.submit(
            limner, folder / "refined", "refine", str(source), "warmer", "-o", "b.png", "--steps", "2", "--seed", "8"
        )
        return {name: run.result() for name, run in begun.items()}


def recipe_of(picture: Path) -> dict[str, object]:
    with Image.open(picture) as image:
        assert isinstance(image.info["limner"], str)
        recipe: dict[str, object] = json.loads(image.info["limner"])
    return recipe


def pixels(picture: Path) -> bytes:
    with Image.open(picture) as image:
        return image.tobytes()


def test_generate_writes_a_picture_that_tells_its_recipe_and_says_where_it_is(runs: Runs) -> None:
    run = runs["cat"]
    assert (run.code, run.out, run.files()) == (0, "cat.png\n", {"cat.png"})
    with Image.open(run.folder / "cat.png") as image:
        assert (image.format, image.size) == ("PNG", (64, 64))
    meant = {
        "prompt": "a cat in a hat",
        "negative_prompt": "text",
        "seed": 7,
        "num_inference_steps": 2,
        "width": 64,
        "height": 64,
        "model": "demo",
    }
    recipe = recipe_of(run.folder / "cat.png")
    assert recipe | meant == recipe


def test_the_same_seed_gives_the_same_picture_named_after_it_in_place_of_an_older_one(runs: Runs) -> None:
    run = runs["again"]
    assert (run.code, run.out, run.files()) == (0, "limner-7.png\n", {"limner-7.png"})
    assert pixels(run.folder / "limner-7.png") == pixels(runs["cat"].folder / "cat.png")


def test_refine_writes_another_picture_of_the_same_size(runs: Runs) -> None:
    run, source = runs["refined"], runs["cat"].folder / "cat.png"
    assert (run.code, run.out, run.files()) == (0, "b.png\n", {"b.png"})
    with Image.open(run.folder / "b.png") as image:
        assert image.size == (64, 64)
    assert pixels(run.folder / "b.png") != pixels(source)
    recipe = recipe_of(run.folder / "b.png")
    assert (recipe["prompt"], recipe["seed"], recipe["strength"]) == ("warmer", 8, 0.5)


def test_a_picture_that_cannot_be_written_in_the_end_is_told(runs: Runs) -> None:
    told(runs["full"], "Cannot write /dev/full: No space left on device.")


def test_a_model_that_cannot_be_loaded_is_told(runs: Runs) -> None:
    told(runs["no model"], "The model could not be loaded.", "no[/]model")


def told(run: Ended, *says: str) -> None:
    """One line that says what is wrong, and nothing else."""
    assert (run.code, run.out, run.files()) == (2, "", set())
    assert run.err.strip().count("\n") == 0
    assert run.err.strip().startswith("limner: ")
    assert all(words in run.err for words in says), run.err


LONG_NAME = "x" * 300 + ".png"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(("--size", "64"), "A size looks like 1024x768 (width x height), not like '64'.", id="size"),
        pytest.param(("--size", "[/]"), "not like '[/]'.", id="size that looks like markup"),
        pytest.param(("--size", "65x64"), "width must be a multiple of 8 from 64 to 2048 pixels", id="width"),
        pytest.param(
            ("--steps", "0", "--seed", "-1"), "num_inference_steps must be from 1 to 150. seed must be", id="two"
        ),
        pytest.param(("-o", "no/cat.png"), "/no does not exist.", id="output in no folder"),
        pytest.param(("-o", "/dev/null/cat.png"), "The folder /dev/null does not exist.", id="output in a file"),
        pytest.param(("-o", "/sys/cat.png"), "Cannot write /sys/cat.png: ", id="output not allowed"),
        pytest.param(("-o", "/tmp"), "/tmp is a folder; name a file in it.", id="output is a folder"),
        pytest.param(("-o", LONG_NAME), f"{LONG_NAME}: File name too long.", id="output with a long name"),
    ],
)
def test_a_wrong_option_is_told_with_what_is_allowed(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    told(limner(tmp_path, "generate", "a cat", *arguments), says)


def test_an_empty_prompt_is_told_and_the_picture_of_that_name_stays(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"precious")

    run = limner(tmp_path, "generate", " ", "-o", "cat.png")

    assert (run.code, run.out) == (2, "")
    assert 'The prompt is empty. Say what to paint, e.g. "a cat in a hat".' in run.err
    assert (tmp_path / "cat.png").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("content", "arguments", "says"),
    [
        pytest.param(None, (), "Cannot read source.png: No such file or directory.", id="missing"),
        pytest.param(b"", (), "This is no picture that can be read. Taken are PNG, JPEG, WEBP.", id="empty"),
        pytest.param(b"root:x:0:0", (), "This is no picture that can be read.", id="text"),
        pytest.param(png()[:-30], (), "The picture is damaged or cut off", id="cut off"),
        pytest.param(png(), ("--strength", "0"), "strength must be a number above 0 and up to 1.", id="strength"),
        pytest.param(png(), ("-o", "no/b.png"), "/no does not exist.", id="output in no folder"),
    ],
)
def test_what_cannot_be_refined_is_told(
    tmp_path: Path, content: bytes | None, arguments: tuple[str, ...], says: str
) -> None:
    if content is not None:
        (tmp_path / "source.png").write_bytes(content)

    run = limner(tmp_path, "refine", "source.png", "warmer", *arguments)
    (tmp_path / "source.png").unlink(missing_ok=True)

    told(run, says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("generate", "a cat", "--sampler", "ddim"), "'euler_ancestral'"),
        (("generate", "a cat", "--hat"), "No such option: --hat"),
        (("generate", "a cat", "--steps", "many"), "Invalid value for '--steps'"),
        (("generate",), "Missing argument"),
        (("refine", "cat.png"), "Missing argument"),
        (("paint", "a cat"), "No such command 'paint'"),
    ],
)
def test_what_is_mistyped_is_told_with_how_to_get_help(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    run = limner(tmp_path, *arguments)

    assert (run.code, run.out, run.files()) == (2, "", set())
    assert says in run.err
    assert "--help" in run.err


def test_a_wrong_setting_is_told_with_its_variable(tmp_path: Path) -> None:
    told(limner(tmp_path, "generate", "a cat", LIMNER_HTTP_PORT="high"), "LIMNER_HTTP_PORT: ")


def job_status(folder: Path) -> str | None:
    """Of the one job in the folder that is thrown away afterwards."""
    for index in (folder / "tmp").glob("limner-*/limner.sqlite"):
        with closing(sqlite3.connect(index)) as connection:
            try:
                row = connection.execute("SELECT status FROM jobs").fetchone()
            except sqlite3.OperationalError:
                return None
            return row and str(row[0])
    return None


def interrupt_all(process: subprocess.Popen[str]) -> None:
    """What a terminal does at Ctrl-C."""
    os.killpg(process.pid, signal.SIGINT)


@pytest.fixture
def ctrl_c(request: pytest.FixtureRequest) -> Iterator[None]:
    """Heeded or ignored, and so by the processes that are begun."""
    before = signal.signal(signal.SIGINT, request.param)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("status", "interrupt", "ctrl_c"),
    [
        pytest.param("running", interrupt_all, signal.SIG_DFL, id="Ctrl-C while it paints"),
        pytest.param("queued", subprocess.Popen.terminate, signal.SIG_DFL, id="SIGTERM while the model is loaded"),
        pytest.param(
            "running",
            subprocess.Popen.terminate,
            signal.SIG_IGN,
            id="SIGTERM in a script's background",
            marks=pytest.mark.nightly,
        ),
    ],
    indirect=["ctrl_c"],
)
@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupted_generate_ends_at_once_and_leaves_nothing(
    tmp_path: Path, status: str, interrupt: Callable[[subprocess.Popen[str]], None]
) -> None:
    process = begin(tmp_path, "generate", "a cat", "--steps", "150", "--size", "512x512", "-o", "cat.png")
    until(lambda: job_status(tmp_path) == status and len(psutil.Process(process.pid).children()) == 1)
    workers = psutil.Process(process.pid).children(recursive=True)

    interrupt(process)
    run = end(process, tmp_path)

    assert (run.code, run.out, run.files()) == (130, "", set())
    assert run.err.strip() == "Stopped."
    assert psutil.wait_procs(workers, timeout=5)[1] == []


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"LIMNER_HTTP_PORT": "1"}, "http://127.0.0.1:1"),
        ({"LIMNER_HTTP_PORT": "1", "LIMNER_HTTP_HOST": "::1"}, "http://[::1]:1"),
        ({"LIMNER_HTTP_PORT": "1", "LIMNER_API_KEYS": "hush-schlüssel"}, "http://127.0.0.1:1"),
    ],
)
def test_status_without_a_server_says_how_to_start_one(tmp_path: Path, variables: dict[str, str], url: str) -> None:
    run = limner(tmp_path, "status", **variables)

    assert (run.code, run.out) == (1, "")
    assert run.err == f"limner: No Limner answers on {url}. Start it with: limner serve\n"


@contextmanager
def another_server(status: int, body: bytes) -> Iterator[int]:
    """Something else listens on the port; gives the port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, b"<html>Welcome</html>", "No Limner answers on"),
        (200, b"[]", "is no Limner. Set LIMNER_HTTP_PORT to Limner's port."),
        (200, b'{"status": "ok"}', "is no Limner. Set LIMNER_HTTP_PORT to Limner's port."),
        (401, b"{}", "answered 401. Is LIMNER_API_KEYS set as there?"),
    ],
)
def test_status_says_what_else_answers(tmp_path: Path, status: int, body: bytes, says: str) -> None:
    with another_server(status, body) as port:
        run = limner(tmp_path, "status", LIMNER_HTTP_PORT=str(port))

    assert (run.code, run.out) == (1, "")
    assert says in run.err


def test_status_shows_what_the_server_says_as_it_stands_also_before_the_first_step(tmp_path: Path) -> None:
    job = {"id": "7", "requester": "web:local", "image": 1, "images": 4, "step": 0, "steps": None}
    nothing = dict.fromkeys(("device", "dtype", "memory_used", "memory_total"))
    worker = {"name": "local", "state": "failed", "model": None, "restarts": 3, "detail": "no [/] :cat:", **nothing}
    answer = {"version": "9", "ready": False, "stopping": True, "jobs": {}, "workers": [worker], "running": [job]}
    answer["trouble"] = "disk_full: no [/] room"
    with another_server(200, json.dumps(answer).encode()) as port:
        run = limner(tmp_path, "status", LIMNER_HTTP_PORT=str(port))

    assert (run.code, run.err) == (0, "")
    assert "Limner 9 is stopping." in run.out
    assert "The disk does not work: disk_full: no [/] room" in run.out
    assert re.search(r"local\W+failed\W+-\W+-\W+3\W+no \[/] :cat: ", run.out)
    assert re.search(r"7\W+web:local\W+1 of 4\W+- ", run.out)


def test_status_shows_the_servers_worker_and_what_it_paints(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", **CPU, **SECRETS, **NOWHERE, LIMNER_DRAIN_SECONDS="0")
    try:
        server.http.headers["Authorization"] = f"Bearer {SECRETS['LIMNER_API_KEYS']}"
        job = server.accept(prompt="a cat", width=512, height=512, num_inference_steps=150)
        until(lambda: server.job(job)["status"] == "running")
        port = str(server.http.base_url.port)
        run = limner(tmp_path, "status", LIMNER_HTTP_PORT=port)
        refused = limner(tmp_path, "status", LIMNER_HTTP_PORT=port, LIMNER_API_KEYS="another")
        code, log = server.end()
    finally:
        server.close()

    assert run.code == 0
    assert re.search(rf"Limner {re.escape(bot.__version__)} is ready\. Jobs: 0 queued, 1 running, ", run.out)
    assert re.search(r"local\W+busy\W+demo\W+cpu float32", run.out)
    assert "local: full: all models stay on the device; up to " in run.out
    assert re.search(rf"{job}\W+web:[0-9a-f]+\W+1 of 1\W+(-|\d+ of 150) ", run.out)
    assert (refused.code, refused.out) == (1, "")
    assert "Is LIMNER_API_KEYS set as there?" in refused.err
    assert code == 0
    assert "job put back" in log
    assert "hush" not in log + server.banner


def findings(run: Ended) -> list[tuple[str, str, str]]:
    """Mark, subject, and what was found with what to do about it."""
    found = re.findall(r"^(ok|!!)  (.{15,}?) (.*(?:\n +-> .*)?)", run.out, re.MULTILINE)
    return [(mark, subject.strip(), text) for mark, subject, text in found]


def wrong(run: Ended) -> dict[str, str]:
    return {subject: text for mark, subject, text in findings(run) if mark == "!!"}


def test_doctor_finds_nothing_where_all_is_well(runs: Runs) -> None:
    run = runs["doctor"]
    found = {subject: text for _, subject, text in findings(run)}

    assert (run.code, run.err, run.files(), wrong(run)) == (0, "", set(), {})
    assert run.out.endswith("All is well.\n")
    assert found["model"] == "demo is on this machine"
    assert found["image check"] == "none: pictures are unchecked"
    assert found["DISCORD_TOKEN"] == "not set"
    assert {found[name] for name in SECRETS.keys() & found.keys() - WITHOUT_CHATS.keys()} == {"set"}


def test_doctor_looks_for_no_refiner_where_there_shall_be_none(tmp_path: Path) -> None:
    run = limner(tmp_path, "doctor", LIMNER_REFINER="none", **WITHOUT_CHATS)

    assert (run.code, wrong(run)) == (0, {})
    assert [text for _, subject, text in findings(run) if subject == "model"] == ["demo is on this machine"]


def test_bench_names_the_benchmarks_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").symlink_to(Path(__file__).parents[2] / "benchmarks")

    run = limner(tmp_path, "bench", "nothing")

    assert run.code == 2
    assert "there are counts, fairness, engine, mishaps" in run.err


def test_bench_says_where_it_is(tmp_path: Path) -> None:
    run = limner(tmp_path, "bench")

    assert run.code == 2
    assert "say it in a clone" in run.err


def test_doctor_says_what_to_do_about_all_that_is_wrong(runs: Runs) -> None:
    run = runs["doctor wrong"]
    found = wrong(run)

    assert (run.code, run.err, run.files()) == (1, "", {"file"})
    assert run.out.endswith(f"{len(found)} thing(s) to mend.\n")
    assert re.search(r"file/data: Not a directory\n +-> Set LIMNER_DATA_DIR to a folder", found["data"])
    assert re.search(r"\./no\[/\]model holds no model_index.json\n +-> LIMNER_MODEL .* take demo", found["model"])
    assert re.search(r"\./nowhere holds no model\n +-> Set LIMNER_IMAGE_CHECK", found["image check"])
    assert re.search(r"does not look right\n +-> The token is one word that begins", found["SLACK_BOT_TOKEN"])
    assert re.search(r"cannot be reached: .*\n +-> Look whether this is right", found["discord bot"])
    assert re.search(r"cannot be reached: .*\n +-> Look whether this is right", found["slack socket"])


def test_doctor_says_what_to_do_about_a_broken_installation_and_an_impossible_folder(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libcudnn.so.9: cannot open shared object file')")

    run = limner(tmp_path, "doctor", LIMNER_DATA_DIR="x" * 300, **WITHOUT_CHATS)

    found = wrong(run)
    assert (run.code, run.err, set(found)) == (1, "", {"inference", "data"})
    assert re.search(r"libcudnn.so.9: cannot open .*\n +-> Install the dependencies again", found["inference"])
    assert f"{'x' * 300}: File name too long\n" in found["data"]


@pytest.mark.parametrize(
    ("toml", "variables", "says"),
    [
        pytest.param("queue_limit = = 3", {}, "limner.toml", id="broken limner.toml"),
        pytest.param("", {"LIMNER_HTTP_HOST": "0.0.0.0", "LIMNER_API_KEYS": ""}, "LIMNER_API_KEYS is empty", id="open"),
        pytest.param("", {"LIMNER_HTTP_PORT": "high"}, "LIMNER_HTTP_PORT: ", id="port"),
    ],
)
def test_doctor_says_what_to_do_about_wrong_settings(
    tmp_path: Path, toml: str, variables: dict[str, str], says: str
) -> None:
    (tmp_path / "limner.toml").write_text(toml)

    run = limner(tmp_path, "doctor", **variables)

    found = wrong(run)
    assert (run.code, run.err, set(found)) == (1, "", {"settings"})
    assert says in found["settings"]
    assert "-> Correct the variable in the environment, .env or limner.toml." in found["settings"]


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert (result.exit_code, result.output) == (0, f"limner {bot.__version__}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str) -> None:
    overview, help_ = (CliRunner().invoke(cli, arguments) for arguments in (["--help"], [command, "--help"]))
    assert (overview.exit_code, help_.exit_code) == (0, 0)
    assert re.search(rf"^\W*{command} +[A-Z]", overview.output, re.MULTILINE)
    assert f"{command} [OPTIONS]" in help_.output


def test_the_help_of_generate_names_every_option_and_its_range() -> None:
    help_ = CliRunner().invoke(cli, ["generate", "--help"], env={"COLUMNS": "200"}).output
    for words in ("--output", "--size", "--negative", "1 to 150", "0 to 30", "0 to 2**64-1", "euler_ancestral"):
        assert words in help_
