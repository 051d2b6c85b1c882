"""What happens to jobs, told to three: a line of the log, Prometheus' numbers, and a span of the job's trace."""

from collections.abc import Callable, Sequence

import structlog

from bot.jobs import Failure, Image, Job, JobStatus
from bot.metrics import Metrics

#: Job, name of the span, when it began and ended in seconds since 1970, and attributes.
WriteSpan = Callable[[Job, str, float, float, dict[str, str | int]], None]
#: The span that holds all others of a job.
WHOLE = "job"

log = structlog.get_logger(__name__)


class Telemetry:
    def __init__(self, clock: Callable[[], float], span: WriteSpan = lambda *_: None) -> None:
        self.metrics = Metrics()
        self._clock = clock
        self._span = span

    def accepted(self, job: Job) -> None:
        self.metrics.accepted.labels(job.platform).inc()
        log.info("job queued", job=job.id, platform=job.platform)

    def started(self, job: Job) -> None:
        if job.attempts == 1:
            self.metrics.wait.observe(self._age(job))
            self._span(job, "queued", job.created_at, self._clock(), {})
        log.info("job started", job=job.id, attempt=job.attempts)

    def done(self, job: Job, images: Sequence[Image], refused: int) -> None:
        self.metrics.images.inc(len(images))
        self.metrics.flagged.labels(job.treatment).inc(refused + sum(bool(image.flagged) for image in images))
        self.metrics.duration.observe(self._age(job))
        log.info("job done", job=job.id, images=len(images))
        self._painted(job, JobStatus.DONE)
        self._over(job, JobStatus.DONE)

    def failed(self, job: Job, failure: Failure) -> None:
        self.metrics.failures.labels(failure.code).inc()
        log.warning("job failed", job=job.id, code=failure.code, detail=failure.detail)
        self._painted(job, failure.code)
        self._over(job, JobStatus.FAILED)

    def cancelled(self, job: Job) -> None:
        log.info("job cancelled", job=job.id)
        self._painted(job, JobStatus.CANCELLED)
        self._over(job, JobStatus.CANCELLED)

    def queued_again(self, job: Job, why: str) -> None:
        log.warning("job queued again", job=job.id, attempts=job.attempts, why=why)
        self._painted(job, "interrupted")

    def put_back(self, job: Job) -> None:
        log.info("job put back", job=job.id)
        self._painted(job, "interrupted")

    def delivered(self, job: Job, way: str, began: float) -> None:
        """A chat took its ending; `began` is when it was tried first."""
        log.info("job delivered", job=job.id, way=way)
        self._told(job, "delivered", began)

    def undeliverable(self, job: Job, why: str, began: float) -> None:
        log.warning("job cannot be delivered", job=job.id, why=why)
        self._told(job, "given_up", began)

    def _painted(self, job: Job, outcome: str) -> None:
        if job.started_at is not None:
            attributes: dict[str, str | int] = {"attempt": job.attempts, "outcome": outcome}
            self._span(job, "painted", job.started_at, self._clock(), attributes)

    def _over(self, job: Job, status: JobStatus) -> None:
        self.metrics.ended.labels(status).inc()
        if not job.origin:
            # Nobody has to be told in a chat.
            self._span(job, WHOLE, job.created_at, self._clock(), {"outcome": status})

    def _told(self, job: Job, outcome: str, began: float) -> None:
        self.metrics.deliveries.labels(job.platform, outcome).inc()
        self._span(job, "delivered", began, self._clock(), {"outcome": outcome})
        self._span(job, WHOLE, job.created_at, self._clock(), {"outcome": outcome})

    def _age(self, job: Job) -> float:
        """Seconds since it was accepted; the clock may have been set back since."""
        return max(0.0, self._clock() - job.created_at)
