"""Paints one picture for the command line: the whole service in this process, on a folder that is thrown away."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from bot import events
from bot.app import open_service
from bot.errors import BadRequest, CannotStart, JobFailed, Mistake
from bot.jobs import Image, ImageRequest, Job, Refinement
from bot.marks.authority import FOLDER as CREDENTIALS
from bot.policy import Asker
from bot.ports import WorkerState
from bot.service import Service
from bot.settings import Settings

ME = Asker("cli:local", "cli:local")

#: Seconds between two looks at the worker.
WATCH_INTERVAL = 0.2


async def generate(settings: Settings, request: ImageRequest, output: Path | None, console: Console) -> Path:
    """Returns the file that was written."""
    _check(output)
    async with _service(settings) as service:
        return await _paint(service, await service.generate(request, ME), output, console)


async def refine(
    settings: Settings, picture: Path, refinement: Refinement, output: Path | None, console: Console
) -> Path:
    """As `generate`; the refinement's image is the picture."""
    _check(output)
    try:
        encoded = picture.read_bytes()
    except OSError as error:
        raise BadRequest(Mistake("picture", f"Cannot read {picture}: {error.strerror}.")) from error
    async with _service(settings) as service:
        image = await service.bring(encoded, ME)
        job = await service.refine(replace(refinement, image_id=image.id), ME)
        return await _paint(service, job, output, console)


@asynccontextmanager
async def _service(settings: Settings) -> AsyncIterator[Service]:
    with tempfile.TemporaryDirectory(prefix="limner-") as folder:
        # So that the server on this data folder knows what was signed here.
        if (own := settings.data_dir / CREDENTIALS).is_dir():
            await asyncio.to_thread(shutil.copytree, own, Path(folder, CREDENTIALS))
        async with open_service(settings.model_copy(update={"data_dir": Path(folder), "drain_seconds": 0})) as service:
            yield service


async def _paint(service: Service, job: Job, output: Path | None, console: Console) -> Path:
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(_watch(service), name="watch")
        image = await _wait(service, job, console)
        watch.cancel()
    path = output or Path(f"limner-{image.recipe.seed if image.recipe else image.id}.png")
    try:
        path.write_bytes(service.file(image).read_bytes())
    except OSError as error:
        raise _cannot_write(path, error) from error
    return path


async def _watch(service: Service) -> None:
    """A server's jobs wait until the model is mended; who sits at a terminal is told. Raises CannotStart."""
    while True:
        for worker in (await service.status()).workers:
            if worker.state is WorkerState.FAILED and worker.model is None:
                raise CannotStart(f"The model could not be loaded. {worker.detail}")
        await asyncio.sleep(WATCH_INTERVAL)


async def _wait(service: Service, job: Job, console: Console) -> Image:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        line = bar.add_task("loading the model", total=None)
        async with aclosing(service.follow(job.id, ME)) as stream:
            async for event in stream:
                if (image := _show(event, bar, line)) is not None:
                    return image
    raise JobFailed("cancelled", "The job was cancelled.")


def _show(event: events.Event, bar: Progress, line: TaskID) -> Image | None:
    match event:
        case events.Started():
            bar.update(line, description="painting")
        case events.Progress(step=step, steps=steps):
            bar.update(line, description=f"step {step} of {steps}", completed=step, total=steps)
        case events.Failed(failure):
            raise JobFailed(failure.code, failure.detail)
        case events.Done(images):
            return images[0]
    return None


def _check(output: Path | None) -> None:
    """Before minutes are spent on a picture that could not be written."""
    path = (output or Path("limner.png")).absolute()
    try:
        if not path.parent.is_dir():
            raise BadRequest(Mistake("output", f"The folder {path.parent} does not exist."))
        if path.is_dir():
            raise BadRequest(Mistake("output", f"{output} is a folder; name a file in it."))
        if path.exists():
            path.open("r+b", buffering=0).close()
        else:
            tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> BadRequest:
    return BadRequest(Mistake("output", f"Cannot write {path}: {error.strerror}."))
