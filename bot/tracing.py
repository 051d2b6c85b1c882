"""Writes the spans of jobs for OpenTelemetry. A job's trace has the job's ID, so spans find each other also after a
restart, and whoever knows the job finds its trace.
"""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

from bot import __version__
from bot.jobs import Job
from bot.telemetry import WHOLE, WriteSpan

NANOSECONDS = 1_000_000_000


class Ids(RandomIdGenerator):
    """Of the next span: what it was told, or any."""

    def __init__(self) -> None:
        self.trace: int | None = None
        self.span: int | None = None

    def generate_trace_id(self) -> int:
        return self.trace or super().generate_trace_id()

    def generate_span_id(self) -> int:
        return self.span or super().generate_span_id()


@contextmanager
def traced(exporter: SpanExporter | None = None) -> Iterator[WriteSpan]:
    """Spans go, now and then, to where the OTEL_EXPORTER_OTLP_ variables say; what is left goes at the end."""
    ids = Ids()
    resource = Resource.create({"service.name": "limner", "service.version": __version__})
    provider = TracerProvider(resource=resource, id_generator=ids, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    tracer = provider.get_tracer("limner", __version__)

    def write(job: Job, name: str, began: float, ended: float, attributes: dict[str, str | int]) -> None:
        trace, whole = uuid.UUID(job.id).int, _whole_id(job.id)
        is_whole = name == WHOLE
        ids.trace, ids.span = trace, whole if is_whole else None
        parent = SpanContext(trace, whole, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        told: dict[str, str | int] = {"limner.job": job.id, "limner.platform": job.platform}
        told |= {f"limner.{key}": value for key, value in attributes.items()}
        span = tracer.start_span(
            name,
            context=None if is_whole else set_span_in_context(NonRecordingSpan(parent)),
            kind=SpanKind.SERVER if is_whole else SpanKind.INTERNAL,
            attributes=told,
            start_time=round(began * NANOSECONDS),
        )
        span.end(round(max(began, ended) * NANOSECONDS))

    try:
        yield write
    finally:
        provider.shutdown()


def _whole_id(job_id: str) -> int:
    """Of the span that holds the others, which is written last."""
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:8], "big")
