"""Builds the whole program from Settings; every part can be replaced by an argument."""

import asyncio
import ctypes
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import structlog
from pydantic import AnyUrl, SecretStr

from adapters.web import app as web
from adapters.web.server import listen, server
from bot.engine import Engine
from bot.errors import CannotStart
from bot.inference.local import local_team
from bot.inference.wire import NO_REFINER, Load
from bot.links import Links, secret
from bot.marks.authority import anchors, operators_signer, own_signer
from bot.marks.marker import Marker
from bot.metrics import Metrics
from bot.policy import Weights
from bot.ports import Executor
from bot.quality import FEW_STEPS, Menu
from bot.scheduler import Scheduler
from bot.service import Service
from bot.settings import Settings
from bot.styles import Style
from bot.telemetry import Telemetry, WriteSpan
from storage.belongings import BelongingsStore
from storage.database import Database
from storage.deliveries import Deliveries
from storage.folder import DATABASE as DATABASE
from storage.folder import IMAGES, data_folder, image_folder
from storage.health import Health
from storage.images import Images
from storage.jobs import Jobs
from storage.keeper import Keeper
from storage.moderation import Moderation
from storage.rules import RulesOfSpaces

#: Kept from the worker, which has no use for them.
SECRETS = ("DISCORD_TOKEN", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "LIMNER_API_KEYS")

#: OpenTelemetry's own variables, of which one must be set.
TRACE_ENDPOINTS = {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}
#: Of malloc.h; other C libraries have no mallopt.
M_ARENA_MAX = -8

#: Path -> what takes all that a platform POSTs there.
Doors = Mapping[str, Callable[..., Awaitable[None]]]

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_service(
    settings: Settings,
    *,
    executor: Executor | None = None,
    clock: Callable[[], float] = time.time,
    chance: random.Random | None = None,
) -> AsyncIterator[Service]:
    """The service with its engine running; leaving the block drains. Raises CannotStart."""
    with traces() as span, data_folder(settings.data_dir) as folder:
        telemetry = Telemetry(clock, span)
        metrics = telemetry.metrics
        marker = await asyncio.to_thread(marker_of, settings, folder, clock())
        executor = executor or executor_of(settings, metrics, marker)
        async with Database.open(folder / DATABASE, now=clock()) as database:
            links = Links(settings.public_url, await asyncio.to_thread(secret, folder))
            jobs = Jobs(database)
            images = Images(database, await asyncio.to_thread(image_folder, folder / IMAGES))
            health = Health(database, images)
            rules = RulesOfSpaces(database)
            engine = Engine(
                jobs=jobs,
                images=images,
                executor=executor,
                scheduler=Scheduler(settings.queue_limit),
                clock=clock,
                telemetry=telemetry,
            )
            metrics.read(queued=lambda: engine.waiting, running=lambda: len(engine.runs()), workers=executor.status)
            service = Service(
                engine=engine,
                jobs=jobs,
                images=images,
                deliveries=Deliveries(database),
                rules=rules,
                belongings=BelongingsStore(database),
                moderation=Moderation(database),
                storage=health,
                executor=executor,
                links=links,
                clock=clock,
                chance=chance or random.SystemRandom(),
                menu=menu(settings),
                weights=Weights(moderator=settings.moderator_weight, admin=settings.admin_weight),
                telemetry=telemetry,
                marker=marker,
                anchors=await asyncio.to_thread(anchors, folder, settings.certificate),
            )
            await engine.restore()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(engine.run(), name="engine")
                keeper = Keeper(
                    database=database,
                    images=images,
                    health=health,
                    folder=folder,
                    clock=clock,
                    days=settings.retention_days,
                    rules=rules,
                )
                keeping = tasks.create_task(keeper.run(), name="keeper")
                watching = tasks.create_task(metrics.watch_loop(), name="event loop lag")
                yield service
                await service.drain(settings.drain_seconds)
                keeping.cancel()
                watching.cancel()


async def serve(
    settings: Settings,
    *,
    executor: Executor | None = None,
    started: Callable[[int], None] = lambda port: None,
) -> None:
    """Runs until SIGTERM or Ctrl-C, then drains. `started` hears the port that the server listens on."""
    share_arenas()
    check_slack(settings)
    socket = listen(settings.http_host, settings.http_port)
    stop = asyncio.Event()
    with socket, told_to_stop(stop):
        async with open_service(settings, executor=executor) as service:
            keys = [key.get_secret_value() for key in settings.api_keys]
            async with chats(settings, service) as doors, asyncio.TaskGroup() as tasks:
                app = web.build(service, keys, doors, hosts=[settings.http_host], public_url=settings.public_url)
                http = server(app)
                serving = tasks.create_task(http.serve(sockets=[socket]), name="web")
                started(socket.getsockname()[1])
                await stop.wait()
                log.info("stopping", drain_seconds=settings.drain_seconds)
                await service.drain(settings.drain_seconds)
                http.should_exit = True
                await serving


@asynccontextmanager
async def chats(settings: Settings, service: Service) -> AsyncIterator[Doors]:
    """Connects to the platforms that there are tokens for. Raises CannotStart, also later, where one is refused."""
    async with AsyncExitStack() as connections:
        if settings.discord_token is not None:
            await connections.enter_async_context(on_discord(settings, service, settings.discord_token))
        doors: Doors = {}
        if settings.slack_bot_token is not None:
            doors = await connections.enter_async_context(on_slack(settings, service, settings.slack_bot_token))
        yield doors


# Adapters are imported only where they are used: each takes a third of a second and 20 MB.


@asynccontextmanager
async def on_discord(settings: Settings, service: Service, token: SecretStr) -> AsyncIterator[None]:
    from adapters.discord.client import connected
    from adapters.discord.library_log import heard

    api_url, gateway_url = text(settings.discord_api_url), text(settings.discord_gateway_url)
    with heard():
        async with connected(service, token.get_secret_value(), api_url=api_url, gateway_url=gateway_url):
            yield


@asynccontextmanager
async def on_slack(settings: Settings, service: Service, token: SecretStr) -> AsyncIterator[Doors]:
    from adapters.slack.connection import connected
    from adapters.slack.library_log import heard
    from adapters.slack.manifest import HTTP_PATH

    if settings.slack_app_token is not None and settings.slack_signing_secret is not None:
        log.info("slack connects by Socket Mode: SLACK_APP_TOKEN is set, so SLACK_SIGNING_SECRET is not used")
    with heard():
        async with connected(
            service,
            token.get_secret_value(),
            app_token=said(settings.slack_app_token),
            signing_secret=said(settings.slack_signing_secret),
            api_url=text(settings.slack_api_url),
            admins=settings.slack_admins,
        ) as app:
            yield {} if app.door is None else {HTTP_PATH: app.door}


def check_slack(settings: Settings) -> None:
    """Raises CannotStart where a part is missing without which Slack cannot be connected."""
    ways = {"SLACK_APP_TOKEN": settings.slack_app_token, "SLACK_SIGNING_SECRET": settings.slack_signing_secret}
    given = [name for name, value in ways.items() if value is not None]
    if settings.slack_bot_token is not None and not given:
        raise CannotStart(
            "SLACK_BOT_TOKEN alone does not connect Slack. Set SLACK_APP_TOKEN too, the app-level token (xapp-) with "
            "which Limner opens a connection to Slack by itself; or SLACK_SIGNING_SECRET, if Slack shall come to "
            "/slack/events of this server. Both stand on the page Basic Information of your app at "
            "https://api.slack.com/apps."
        )
    if settings.slack_bot_token is None and given:
        raise CannotStart(
            f"{' and '.join(given)} without SLACK_BOT_TOKEN does not connect Slack. Set SLACK_BOT_TOKEN to the Bot "
            "User OAuth Token (xoxb-) from the page OAuth & Permissions of your app at https://api.slack.com/apps."
        )


def text(url: AnyUrl | None) -> str | None:
    return None if url is None else str(url)


def said(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def menu(settings: Settings) -> Menu:
    return Menu(
        styles=tuple(style.style() for style in settings.styles),
        draft=settings.draft,
        has_refiner=settings.refiner != NO_REFINER,
    )


def marker_of(settings: Settings, folder: Path, now: float) -> Marker:
    """Blocking. Raises CannotStart where there is nothing to sign with."""
    if settings.certificate is None or settings.certificate_key is None:
        return Marker(settings.watermark, own_signer(folder, now))
    return Marker(settings.watermark, operators_signer(settings.certificate, settings.certificate_key, now))


def executor_of(settings: Settings, metrics: Metrics, marker: Marker) -> Executor:
    styles = [style.style() for style in settings.styles]
    if settings.draft is not None:
        styles.append(Style(name=settings.draft, lora=settings.draft_lora or FEW_STEPS[settings.draft].lora))
    load = Load(
        settings.model,
        settings.refiner,
        settings.memory,
        settings.compile,
        tuple(styles),
        settings.image_check,
        marker,
    )
    if settings.executor == "ray":
        return on_ray(settings, load, metrics)
    environment = worker_environment(settings)
    return local_team(load, environment, devices=settings.devices, step_timeout=settings.step_timeout, metrics=metrics)


def on_ray(settings: Settings, load: Load, metrics: Metrics) -> Executor:
    try:
        from bot.inference.cluster import NEAREST, cluster_team
    except ModuleNotFoundError as error:
        raise CannotStart(
            "LIMNER_EXECUTOR=ray needs Ray, which is not installed: pip install 'limner[cluster]'"
        ) from error
    environment = {} if settings.hf_token is None else {"HF_TOKEN": settings.hf_token.get_secret_value()}
    address = settings.ray_address or NEAREST
    return cluster_team(load, environment, address=address, step_timeout=settings.step_timeout, metrics=metrics)


def worker_environment(settings: Settings) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    if settings.hf_token is not None:
        environment["HF_TOKEN"] = settings.hf_token.get_secret_value()
    return environment


@contextmanager
def traces() -> Iterator[WriteSpan]:
    """Where OpenTelemetry's variables name a place for them."""
    if not TRACE_ENDPOINTS & os.environ.keys():
        yield lambda *_: None
        return
    try:
        from bot.tracing import traced
    except ModuleNotFoundError:
        log.warning("traces are not written: OTEL_EXPORTER_OTLP_ENDPOINT is set, and the extra otel is not installed")
        yield lambda *_: None
        return
    with traced() as span:
        yield span


def share_arenas() -> None:
    """Threads come and go here, and glibc would give each an arena of its own, which keeps what it once held."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


@contextmanager
def told_to_stop(stop: asyncio.Event) -> Iterator[None]:
    """The first signal asks to drain; a second one ends the program at once."""
    loop = asyncio.get_running_loop()

    def hear(number: signal.Signals) -> None:
        if stop.is_set():
            log.warning("stopped without draining", signal=number.name)
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, hear, number)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
