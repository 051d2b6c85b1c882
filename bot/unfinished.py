"""The jobs that were accepted and are not over, by requester, and how many each has in which space."""

from collections import Counter

from bot.jobs import Job


class Unfinished:
    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._of: dict[str, dict[str, Job]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, job: Job) -> None:
        self._jobs[job.id] = self._of.setdefault(job.requester, {})[job.id] = job
        self._counts[job.requester, job.space] += 1

    def discard(self, job_id: str) -> None:
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        of_requester = self._of[job.requester]
        del of_requester[job_id]
        if not of_requester:
            del self._of[job.requester]
        whose = job.requester, job.space
        self._counts[whose] -= 1
        if not self._counts[whose]:
            del self._counts[whose]

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def of(self, requester: str) -> list[Job]:
        """The oldest first."""
        return list(self._of.get(requester, {}).values())

    def count(self, requester: str, space: str) -> int:
        return self._counts[requester, space]
