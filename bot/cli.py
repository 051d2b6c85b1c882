"""The command line: limner serve | generate | refine | status | verify | doctor | bench | db; or `python -m bot`."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

import bot
from bot import log
from bot.care import db
from bot.errors import BadRequest, CannotStart, LimnerError
from bot.jobs import STRENGTH, ImageRequest, Quality, Refinement, Sampler
from bot.settings import Settings, read_settings

EXIT_WRONG = 1
EXIT_CANNOT_START = 2
EXIT_INTERRUPTED = 130

T = TypeVar("T")

cli = typer.Typer(
    help="Paints with SDXL, for people on Discord and Slack, over HTTP and here.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console(emoji=False)
err = Console(stderr=True, emoji=False)
cli.add_typer(db, name="db")

Negative = Annotated[str | None, typer.Option("--negative", help="What should not be in the picture.")]
QualityName = Annotated[Quality, typer.Option(help="Stands for sampler, steps and guidance where you do not say.")]
StyleName = Annotated[str | None, typer.Option("--style", help="A style from limner.toml.")]
Steps = Annotated[int | None, typer.Option(help="Denoising steps, 1 to 150.")]
Guidance = Annotated[float | None, typer.Option(help="How closely the prompt is followed, 0 to 30.")]
Seed = Annotated[int | None, typer.Option(help="0 to 2**64-1; the same seed paints the same picture.")]
SamplerName = Annotated[Sampler | None, typer.Option(help="The sampler.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="The PNG to write; limner-<seed>.png by default.")]


def main() -> None:
    try:
        cli()
    except LimnerError as error:
        _complain(error)
        sys.exit(EXIT_CANNOT_START)


def _complain(error: LimnerError) -> None:
    err.print(f"[red]limner:[/] {escape(str(error))}", soft_wrap=True, highlight=False)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"limner {bot.__version__}", highlight=False)
        raise typer.Exit


@cli.callback()
def _common(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    pass


@cli.command()
def serve() -> None:
    """Runs the bot until SIGTERM or Ctrl-C; then finishes what runs and leaves the rest queued."""
    from bot import app

    settings = read_settings()
    log.write_lines(settings.secrets)
    _run(app.serve(settings, started=lambda port: _banner(settings, port)))
    err.print("Stopped. What was queued is painted at the next start.")


@cli.command()
def generate(
    prompt: Annotated[str, typer.Argument(help='What to paint, e.g. "a cat in a hat".')],
    output: Output = None,
    size: Annotated[str | None, typer.Option(help="Width x height, e.g. 1024x768; the model's own by default.")] = None,
    negative: Negative = None,
    quality: QualityName = Quality.STANDARD,
    style: StyleName = None,
    steps: Steps = None,
    guidance: Guidance = None,
    seed: Seed = None,
    sampler: SamplerName = None,
) -> None:
    """Paints one picture from words, without a server."""
    from bot import paint_here
    from bot.prompts import parse_size

    width, height = parse_size(size) if size else (None, None)
    request = ImageRequest(
        prompt=prompt,
        negative_prompt=negative,
        quality=quality,
        style=style,
        width=width,
        height=height,
        num_inference_steps=steps,
        guidance_scale=guidance,
        seed=seed,
        sampler=sampler,
    )
    log.write_nothing()
    written = _run(paint_here.generate(read_settings(), request, output, err))
    typer.echo(written)


@cli.command()
def refine(
    picture: Annotated[Path, typer.Argument(help="The picture to start from: PNG, JPEG or WebP.")],
    prompt: Annotated[str, typer.Argument(help='What it shall become, e.g. "warmer light".')],
    output: Output = None,
    strength: Annotated[float, typer.Option(help="How much may change, above 0 and up to 1.")] = STRENGTH,
    negative: Negative = None,
    quality: QualityName = Quality.STANDARD,
    style: StyleName = None,
    steps: Steps = None,
    guidance: Guidance = None,
    seed: Seed = None,
    sampler: SamplerName = None,
) -> None:
    """Paints a picture anew from its pixels and words, without a server."""
    from bot import paint_here

    refinement = Refinement(
        image_id="",
        prompt=prompt,
        negative_prompt=negative,
        quality=quality,
        style=style,
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=guidance,
        seed=seed,
        sampler=sampler,
    )
    log.write_nothing()
    written = _run(paint_here.refine(read_settings(), picture, refinement, output, err))
    typer.echo(written)


@cli.command()
def status() -> None:
    """Shows what the running server does; exit code 1 where none answers."""
    from bot import status_view

    _ask_server(status_view.show(read_settings(), out))


@cli.command()
def top() -> None:
    """Watches the running server: workers, jobs and failures, live; exit code 1 where none answers."""
    from bot import top_view

    _ask_server(top_view.watch(read_settings(), out))


@cli.command()
def verify(
    picture: Annotated[Path, typer.Argument(help="The file: PNG, JPEG or WebP.", metavar="FILE")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tells how one can see that a machine painted a picture, and whether it is one of this Limner's.

    Exit code 1 where the file cannot be read.
    """
    from bot import verify_view

    try:
        verify_view.show(read_settings(), picture, out, as_json=as_json)
    except BadRequest as error:
        _complain(error)
        raise typer.Exit(EXIT_WRONG) from None


@cli.command()
def doctor() -> None:
    """Looks at everything that Limner needs; exit code 1 where something is wrong, with what to do."""
    from bot import doctor

    if not _run(doctor.examine(out)):
        raise typer.Exit(EXIT_WRONG)


@cli.command()
def manifest(
    url: Annotated[bool, typer.Option("--url", help="The link that begins the app with one click, instead.")] = False,
    http: Annotated[
        str | None, typer.Option(help="Without Socket Mode: the https:// address at which Slack reaches this Limner.")
    ] = None,
) -> None:
    """Prints the manifest that tells Slack what this app is: commands, scopes and events."""
    from adapters.slack.manifest import manifest, one_click

    if http is not None and not http.startswith("https://"):
        raise typer.BadParameter("Slack wants an address that begins with https://", param_hint="--http")
    typer.echo(one_click(http) if url else json.dumps(manifest(http), indent=2, ensure_ascii=False))


@cli.command()
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help="By default counts, engine, mishaps; a wrong name tells which there are.")
    ] = None,
) -> None:
    """Measures the engine on this machine against stock diffusers, with the demo model; takes some minutes.

    In a clone of the repository.
    """
    if not Path("benchmarks", "__main__.py").exists():
        raise CannotStart("bench is not part of the installed package: say it in a clone of Limner's repository.")
    ask = [sys.executable, "-m", "benchmarks", *(names or ("counts", "engine", "mishaps"))]
    # In a process of its own, as torch never comes into this one.
    raise typer.Exit(subprocess.run(ask, check=False).returncode)  # noqa: S603


def _ask_server(work: Coroutine[Any, Any, None]) -> None:
    try:
        _run(work)
    except CannotStart as error:
        _complain(error)
        raise typer.Exit(EXIT_WRONG) from None


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(_until_terminated(work))
    except* LimnerError as group:
        # The first is the cause; others only tell that their neighbours were stopped with it.
        raise _first(group) from None
    except* (KeyboardInterrupt, asyncio.CancelledError):
        err.print("Stopped.")
        raise typer.Exit(EXIT_INTERRUPTED) from None


async def _until_terminated(work: Coroutine[Any, Any, T]) -> T:
    """Whoever says SIGTERM gets what Ctrl-C gets: workers ended, temporary folders gone. `serve` drains instead.

    Also where Ctrl-C is ignored, as in the background of a script.
    """
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


def _first(group: BaseExceptionGroup[LimnerError]) -> LimnerError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _banner(settings: Settings, port: int) -> None:
    host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
    keys = f"{len(settings.api_keys)} API key(s)" if settings.api_keys else "no key, this machine only"
    model = settings.model or "SDXL base 1.0 where a CUDA GPU is seen, else demo"
    lines = [
        ("HTTP", f"http://{host}:{port}  (a page to chat, and the API; {keys})", True),
        ("Model", f"{model}  (loading in a worker; jobs wait meanwhile)", True),
        _check(settings),
        ("Data", str(settings.data_dir.resolve()), True),
        _discord(settings),
        _slack(settings),
    ]
    out.print(f"[bold]Limner {bot.__version__}[/] is running. Ctrl-C stops it.", highlight=False)
    for name, text, well in lines:
        out.print(f"  {'[green]●[/]' if well else '[dim]○[/]'} {name:8}{escape(text)}", soft_wrap=True, highlight=False)
    sys.stdout.flush()


def _check(settings: Settings) -> tuple[str, str, bool]:
    if settings.image_check is None:
        return "Check", "images are unchecked; LIMNER_IMAGE_CHECK sets a model that checks them", False
    return "Check", f"{settings.image_check}  (loading with the model)", True


def _discord(settings: Settings) -> tuple[str, str, bool]:
    if settings.discord_token is None:
        return "Discord", "not connected; DISCORD_TOKEN will connect it", False
    return "Discord", "connecting; the log says when it is there, and the link that invites it", True


def _slack(settings: Settings) -> tuple[str, str, bool]:
    if settings.slack_bot_token is None:
        return "Slack", "not connected; SLACK_BOT_TOKEN with SLACK_APP_TOKEN will connect it", False
    if settings.slack_app_token is not None:
        return "Slack", "connecting; the log says when it is there", True
    return "Slack", "connecting; Slack comes to /slack/events, the log says when it is there", True
