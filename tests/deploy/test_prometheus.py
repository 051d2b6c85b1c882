"""deploy/prometheus and deploy/grafana, by the real Prometheus, which scrapes a running bot."""

import asyncio
import json
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.web.app import build
from adapters.web.server import listen, server
from bot.errors import JobFailed
from bot.events import Ending
from bot.inference.wire import Stepped
from bot.jobs import Stage
from bot.service import Service
from tests.bot.asking import ask, hear_all
from tests.bot.inference.test_team import studio
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus (Debian's package) is not installed."),
]

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "limner.json"
KEY = "ada-12ab34"
#: Grafana's own word for a span that fits the scrapes.
INTERVAL = "$__rate_interval"


def queries() -> Iterator[tuple[str, str]]:
    """Title and query of each panel."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


@asynccontextmanager
async def served(service: Service) -> AsyncIterator[int]:
    """The port."""
    with listen("127.0.0.1", 0) as heard:
        http = server(build(service, [KEY]))
        serving = asyncio.create_task(http.serve(sockets=[heard]))
        yield heard.getsockname()[1]
        http.should_exit = True
        await serving


@asynccontextmanager
async def prometheus(folder: Path, port: int) -> AsyncIterator[httpx.AsyncClient]:
    """With the project's own configuration, but for the address of the bot and the pace."""
    written = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    assert written.count("limner:8000") == 1
    written = written.replace("limner:8000", f"127.0.0.1:{port}").replace("15s", "1s")
    (folder / "prometheus.yml").write_text(written)
    (folder / "key").write_text(KEY)
    shutil.copy(ALERTS, folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        own = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{own}",
        "--log.level=warn",
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{own}/api/v1") as client:
            yield client
    finally:
        process.terminate()
        await process.wait()


async def found(client: httpx.AsyncClient, query: str) -> list[Any]:
    response = await client.get("/query", params={"query": query.replace(INTERVAL, "10s")})
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        # It is starting.
        return []
    answer = response.json()
    assert answer["status"] == "success", (query, answer)
    result: list[Any] = answer["data"]["result"]
    return result


async def until_scraped(client: httpx.AsyncClient, query: str) -> None:
    for _ in range(300):
        with suppress(httpx.TransportError):
            if await found(client, query):
                return
        await asyncio.sleep(0.2)
    raise AssertionError(f"nothing is found by {query}")


async def live(service: Service, executor: FakeExecutor) -> None:
    """A bit of everything that the dashboard shows."""
    executor.fail_next(JobFailed("out_of_memory", "Too large."))
    for _ in range(3):
        job = await ask(service)
        assert isinstance((await hear_all(service, job))[-1], Ending)
    metrics = service.telemetry.metrics
    for platform in ("discord", "slack"):
        metrics.deliveries.labels(platform, "delivered").inc()
        metrics.retries.labels(platform).inc()
        metrics.acknowledgement.labels(platform).observe(0.1)
    for stage in Stage:
        metrics.step.labels(stage).observe(0.1)
        metrics.rows.labels(stage).observe(2)


async def test_each_query_of_the_dashboard_finds_what_the_bot_tells(limner: OpenLimner, tmp_path: Path) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service, served(service) as port, prometheus(tmp_path, port) as client:
        await until_scraped(client, "limner_build_info")
        await live(service, executor)
        await until_scraped(client, "limner_images_total > 0")
        await live(service, executor)
        await until_scraped(client, "rate(limner_images_total[10s]) > 0")

        for title, query in queries():
            # The fake has no device.
            if title != "Memory of the device":
                await until_scraped(client, query)
        rules = (await client.get("/rules")).json()["data"]["groups"][0]["rules"]
        assert len(rules) == ALERTS.read_text().count("- alert:")
        assert {rule["health"] for rule in rules} == {"ok"}, rules


async def test_each_metric_that_a_query_or_an_alert_names_is_there() -> None:
    async with studio("a") as here:
        here.team._stepped(Stepped(Stage.BASE, 1, 1.0))
        metrics = here.team._metrics
        metrics.read(queued=lambda: 0, running=lambda: 0, workers=here.team.status)
        names = set(metrics.registry._names_to_collectors)

    asked = [query for _, query in queries()] + re.findall(r"expr: (?:>-)?(.*(?:\n {10}.*)*)", ALERTS.read_text())
    named = {name for query in asked for name in re.findall(r"\b(?:limner|process)_\w+", query)}
    assert len(named) > 15
    assert named <= names


def test_each_alert_fires_for_what_it_is_there_for_and_not_for_what_is_usual(tmp_path: Path) -> None:
    shutil.copy(ALERTS, tmp_path)
    tests = shutil.copy(Path(__file__).with_name("alerts_test.yml"), tmp_path)
    for words in (["check", "rules", str(ALERTS)], ["test", "rules", str(tests)]):
        subprocess.run(["promtool", *words], check=True, capture_output=True)

    alerts = set(re.findall(r"- alert: (\w+)", ALERTS.read_text()))
    assert alerts == set(re.findall(r"\bLimner\w+", Path(tests).read_text()))
