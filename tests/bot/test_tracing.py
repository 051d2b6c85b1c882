"""The trace of a job, from acceptance to delivery, as a collector hears it over HTTP."""

import asyncio
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from structlog.testing import capture_logs

from bot.errors import WorkerDied
from bot.jobs import Job
from tests.bot.asking import ANN, ask, hear_all
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@contextmanager
def collector() -> Iterator[tuple[str, list[Span]]]:
    """Its address, and the spans that it was told."""
    spans: list[Span] = []

    class Collect(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            told = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            spans.extend(span for one in told.resource_spans for scope in one.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collect) as server:
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        yield f"http://127.0.0.1:{server.server_port}", spans
        server.shutdown()


def attributes(span: Span) -> dict[str, str | int]:
    return {
        pair.key.removeprefix("limner."): pair.value.string_value or pair.value.int_value for pair in span.attributes
    }


async def test_a_jobs_trace_has_its_id_and_tells_when_it_waited_was_painted_and_was_told(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000.0
    executor = FakeExecutor()
    executor.hold()
    executor.fail_next(WorkerDied("It is gone."))
    with collector() as (address, spans):
        monkeypatch.setenv(ENDPOINT, address)
        async with limner(executor, clock=lambda: now) as service:
            job = await ask(service, origin="a channel")
            await asyncio.sleep(0.01)
            now += 5
            executor.release()
            await hear_all(service, job)
            service.telemetry.delivered(job, "post", began=now)

    assert {bytes(span.trace_id) for span in spans} == {uuid.UUID(job.id).bytes}
    told = [(span.name, span.start_time_unix_nano / 1e9, span.end_time_unix_nano / 1e9) for span in spans]
    assert told == [
        ("queued", 1e6, 1e6),
        ("painted", 1e6, 1e6 + 5),
        ("painted", 1e6 + 5, 1e6 + 5),
        ("delivered", 1e6 + 5, 1e6 + 5),
        ("job", 1e6, 1e6 + 5),
    ]
    assert [attributes(span).get("outcome") for span in spans] == [
        None,
        "interrupted",
        "done",
        "delivered",
        "delivered",
    ]
    assert attributes(spans[1]) == {"job": job.id, "platform": "test", "attempt": 1, "outcome": "interrupted"}
    whole = spans[-1]
    assert not whole.parent_span_id
    assert {bytes(span.parent_span_id) for span in spans[:-1]} == {bytes(whole.span_id)}


async def test_a_job_that_nobody_is_told_of_in_a_chat_is_whole_when_it_ends(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names(job: Job) -> list[str]:
        return [span.name for span in spans if bytes(span.trace_id) == uuid.UUID(job.id).bytes]

    executor = FakeExecutor()
    with collector() as (address, spans):
        monkeypatch.setenv(ENDPOINT, address)
        async with limner(executor) as service:
            done = await ask(service)
            await hear_all(service, done)
            executor.hold()
            running = await ask(service)
            await asyncio.sleep(0.01)
            waiting = await ask(service)
            for job in (waiting, running):
                await service.cancel(job.id, ANN)

    assert names(done) == ["queued", "painted", "job"]
    assert names(waiting) == ["job"]
    assert names(running) == ["queued", "painted", "job"]


async def test_a_collector_that_is_not_there_is_in_nobodys_way(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    async with limner() as service:
        await hear_all(service, await ask(service))


async def test_without_the_extra_it_serves_and_says_what_is_missing(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "bot.tracing", None)
    with capture_logs() as log:
        async with limner() as service:
            await hear_all(service, await ask(service))

    assert any("the extra otel is not installed" in line["event"] for line in log)


@pytest.mark.slow
def test_nothing_of_opentelemetry_is_loaded_where_no_place_is_named() -> None:
    look = "import sys, bot.app; print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    assert subprocess.check_output([sys.executable, "-c", look], text=True) == "[]\n"
