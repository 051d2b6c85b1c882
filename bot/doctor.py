"""Looks at everything that Limner needs, and says what to do about what is wrong."""

import asyncio
import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape

import bot
from bot.app import DATABASE, said, text, worker_environment
from bot.errors import CannotStart, WorkerDied
from bot.inference.wire import NO_REFINER
from bot.marks.authority import RENEWAL, operators_signer
from bot.settings import Settings, read_settings
from bot.status_view import memory
from storage.database import examine as examine_database

#: Bytes below which a disk is said to be too full; some hundred images.
DISK_LOW = 2**30
#: Bytes of device memory for base and refiner at 1024x1024, and of RAM to load them.
DEVICE_NEEDED = 12 * 10**9
RAM_NEEDED = 15 * 10**9
LIBRARIES = ("fastapi", "uvicorn", "aiosqlite", "discord.py", "slack-bolt", "pillow")


@dataclass(frozen=True, slots=True)
class Finding:
    subject: str
    what: str
    #: What to do; None where all is well.
    remedy: str | None = None


async def examine(console: Console) -> bool:
    """Prints what it finds; True where nothing is wrong."""
    findings = list(_versions())
    try:
        settings = read_settings()
    except CannotStart as error:
        findings.append(
            Finding("settings", str(error), "Correct the variable in the environment, .env or limner.toml.")
        )
    else:
        findings += [*await _gpu_side(settings), *await _cluster(settings)]
        findings += [_image_check(settings), _certificate(settings), *_disk(settings), *await _database(settings)]
        chats = [*await _discord(settings), *await _slack(settings)]
        # What Slack's checkup says of a token is more exact.
        judged = {finding.subject for finding in chats}
        findings += [*(finding for finding in _tokens(settings) if finding.subject not in judged), *chats]
    for finding in findings:
        _print(finding, console)
    wrong = sum(finding.remedy is not None for finding in findings)
    console.print("All is well." if not wrong else f"{wrong} thing(s) to mend.", highlight=False)
    return not wrong


def _versions() -> Iterator[Finding]:
    yield Finding("limner", f"{bot.__version__} on Python {platform.python_version()}")
    yield Finding("libraries", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES))


async def _gpu_side(settings: Settings) -> list[Finding]:
    """Asked in a process of its own: torch never comes into this one."""
    names = (settings.model or "", settings.refiner or "")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot.inference.probe",
        *names,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=worker_environment(settings),
    )
    answer, complaint = await process.communicate()
    if process.returncode != 0:
        last = complaint.decode(errors="replace").strip().rsplit("\n", 1)[-1]
        return [Finding("inference", last, "Install the dependencies again: rm -rf .venv && make run")]
    found = json.loads(answer)
    models = {name: where for name, where in found["models"].items() if name != NO_REFINER}
    return [*_device({**found, "models": models}), *_models(models)]


async def _cluster(settings: Settings) -> list[Finding]:
    """Where pictures are painted on one."""
    if settings.executor != "ray":
        return []
    try:
        from bot.inference.cluster import NEAREST, gpus_of
    except ModuleNotFoundError:
        return [Finding("ray", "not installed", "Install Limner's extra for it: make .venv/cluster")]
    try:
        gpus = await gpus_of(settings.ray_address or NEAREST)
    except WorkerDied as error:
        start = "Start Ray's head (ray start --head --port 6379), and set RAY_ADDRESS to it, as in 10.0.0.5:6379."
        return [Finding("ray", str(error), start)]
    join = None if gpus else "Start Ray on machines with GPUs: ray start --address HEAD:6379"
    return [Finding("ray", f"{len(gpus)} GPU(s){': ' if gpus else ''}{', '.join(gpus)}", join)]


def _image_check(settings: Settings) -> Finding:
    """The worker reads the model itself; here it is seen whether a folder is one."""
    named = settings.image_check
    if named is None:
        return Finding("image check", "none: pictures are unchecked")
    folder = Path(named).expanduser()
    is_path = folder.exists() or named.startswith((".", "/", "~"))
    found = any((folder / name).is_file() for name in ("config.json", "safety_checker/config.json"))
    if is_path and not found:
        return Finding("image check", f"{named} holds no model", "Set LIMNER_IMAGE_CHECK to its folder or hub ID.")
    return Finding("image check", named)


def _certificate(settings: Settings) -> Finding:
    """What signs content credentials."""
    certificate, key = settings.certificate, settings.certificate_key
    if certificate is None or key is None:
        return Finding("certificate", "Limner's own, which nobody else trusts")
    try:
        ends = operators_signer(certificate, key, time.time()).ends
    except CannotStart as error:
        return Finding("certificate", str(error), "Correct LIMNER_CERTIFICATE and LIMNER_CERTIFICATE_KEY.")
    left = timedelta(seconds=ends - time.time())
    renew = "Have it renewed, and restart Limner with the new one." if left < RENEWAL else None
    return Finding("certificate", f"{certificate} ends in {left.days} days", renew)


def _device(found: dict[str, Any]) -> Iterator[Finding]:
    yield Finding("inference", ", ".join(f"{name} {number}" for name, number in found["versions"].items()))
    yield Finding("device", f"{found['device']} ({found['device_name']}), {found['dtype']}")
    if found["memory_total"] is not None:
        remedy = (
            "SDXL with its refiner wants a GPU with 12 GB or more." if found["memory_total"] < DEVICE_NEEDED else None
        )
        yield Finding("device memory", memory(found["memory_used"], found["memory_total"]), remedy)
    needs_ram = set(found["models"]) != {"demo"} and found["ram_total"] < RAM_NEEDED
    yield Finding(
        "memory", f"{found['ram_total'] / 1e9:.1f} GB", "SDXL wants 16 GB of RAM to be loaded." if needs_ram else None
    )


def _models(models: dict[str, str]) -> Iterator[Finding]:
    for name, where in models.items():
        match where:
            case "here":
                yield Finding("model", f"{name} is on this machine")
            case "download":
                yield Finding("model", f"{name} will be downloaded at the first start")
            case _:
                remedy = "LIMNER_MODEL and LIMNER_REFINER take demo, a diffusers folder, or a hub ID."
                yield Finding("model", f"{name} holds no model_index.json", remedy)


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    try:
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        yield Finding(
            "data", f"{folder.absolute()}: {error.strerror}", "Set LIMNER_DATA_DIR to a folder that can be written."
        )
        return
    free = shutil.disk_usage(existing).free
    make_room = "Make room, or set LIMNER_DATA_DIR to another disk."
    yield Finding("disk", f"{free / 1e9:.1f} GB free for {folder.absolute()}", make_room if free < DISK_LOW else None)


async def _database(settings: Settings) -> list[Finding]:
    path: Path = settings.data_dir / DATABASE
    # Unlike Path.exists it raises nothing, whatever is wrong with the folder.
    if not os.access(path, os.F_OK):
        return [Finding("database", "made at the first start")]
    wrong = await examine_database(path)
    remedy = (
        "Stop Limner and restore a backup with limner db restore, or move the folder away to start anew."
        if wrong
        else None
    )
    return [Finding("database", wrong or f"{path.absolute()} is sound", remedy)]


def _tokens(settings: Settings) -> Iterator[Finding]:
    """By their looks alone."""
    tokens = (
        ("DISCORD_TOKEN", settings.discord_token, ""),
        ("SLACK_BOT_TOKEN", settings.slack_bot_token, "xoxb-"),
        ("SLACK_APP_TOKEN", settings.slack_app_token, "xapp-"),
        ("SLACK_SIGNING_SECRET", settings.slack_signing_secret, ""),
        ("HF_TOKEN", settings.hf_token, "hf_"),
    )
    for name, token, prefix in tokens:
        if token is None:
            yield Finding(name, "not set")
        elif _looks_right(token, prefix):
            yield Finding(name, "set")
        else:
            begins = f"one word that begins with {prefix}" if prefix else "one word"
            yield Finding(name, "set, but it does not look right", f"The token is {begins}; copy it again.")


def _looks_right(token: SecretStr, prefix: str = "") -> bool:
    return token.get_secret_value().startswith(prefix) and len(token.get_secret_value().split()) == 1


async def _discord(settings: Settings) -> list[Finding]:
    """Asked on Discord itself."""
    token = settings.discord_token
    if token is None or not _looks_right(token):
        return []
    from adapters.discord.checkup import checkup

    found = await checkup(
        token.get_secret_value(),
        api_url=text(settings.discord_api_url),
        gateway_url=text(settings.discord_gateway_url),
    )
    return [Finding(one.subject, one.what, one.remedy) for one in found]


async def _slack(settings: Settings) -> list[Finding]:
    """Asked on Slack itself."""
    if settings.slack_bot_token is None:
        return []
    from adapters.slack.checkup import checkup

    found = await checkup(
        settings.slack_bot_token.get_secret_value(),
        app_token=said(settings.slack_app_token),
        signing_secret=said(settings.slack_signing_secret),
        api_url=text(settings.slack_api_url),
        public_url=settings.public_url,
        admins=settings.slack_admins,
    )
    return [Finding(one.subject, one.what, one.remedy) for one in found]


def _print(finding: Finding, console: Console) -> None:
    mark = "[green]ok[/]" if finding.remedy is None else "[red]!![/]"
    console.print(f"{mark}  {finding.subject:15} {escape(finding.what)}", soft_wrap=True, highlight=False)
    if finding.remedy is not None:
        console.print(f"    {'':16}-> {escape(finding.remedy)}", soft_wrap=True, highlight=False)
