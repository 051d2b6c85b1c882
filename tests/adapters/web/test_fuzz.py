"""The service keeps to its own description, whatever it is sent: schemathesis reads /openapi.json and asks on."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder

from tests.adapters.web.clients import served
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor, png

KEY = "ada-5f2c9e"
#: What is sent where a picture is asked for; most of the fuzzer's own bytes would be none.
PICTURES = st.sampled_from([png(), png((128, 64))]) | st.binary()
for kind in ("image/png", "image/jpeg", "image/webp"):
    schemathesis.openapi.media_type(kind, PICTURES)
#: A story is short, and there are many that can be told.
STORIES_PER_EXAMPLE = 5
#: Some that no route takes; the others are tried one by one elsewhere.
METHODS = ["OPTIONS", "PUT", "TRACE"]
#: What a cancelled job answers depends on who is faster.
NOT_ALWAYS_DONE = {"DELETE /jobs/{job_id}"}


@dataclass(slots=True)
class Found:
    broken: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    #: How often each check was made.
    checks: Counter[str] = field(default_factory=Counter)
    #: Operations that answered as if all were well.
    well: set[str] = field(default_factory=set)
    #: All of them.
    operations: set[str] = field(default_factory=set)

    def add(self, event: events.EngineEvent) -> None:
        match event:
            case events.ScenarioFinished(recorder=recorder):
                self._add_answers(recorder)
                self._add_checks(recorder)
            case events.NonFatalError(value=error) | events.FatalError(exception=error):
                self.broken[repr(error)] = "the fuzzer"

    def _add_answers(self, recorder: ScenarioRecorder) -> None:
        for case_id, interaction in recorder.interactions.items():
            self.asked += 1
            if case_id in recorder.cases and interaction.response and interaction.response.status_code < 300:
                self.well.add(recorder.cases[case_id].value.operation.label)

    def _add_checks(self, recorder: ScenarioRecorder) -> None:
        for check in (check for checks in recorder.checks.values() for check in checks):
            self.checks[check.name] += 1
            if (broken := check.failure_info) is not None:
                what = f"{check.name}: {broken.failure.operation}: {broken.failure.message}"
                self.broken.setdefault(what, broken.code_sample)


def settings(url: str, key: str | None, examples: int, seed: int) -> SchemathesisConfig:
    """Without a key nobody is to be refused for having none."""
    keyed: dict[str, Any] = {"auth": {"openapi": {"key": {"bearer": key}}}} if key else {}
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "base-url": url,
            "request-timeout": 10,
            "continue-on-failure": True,
            "phases": {
                "coverage": {"unexpected-methods": METHODS},
                # What is refused is tried in the phases before.
                "stateful": {"generation": {"max-examples": STORIES_PER_EXAMPLE * examples, "mode": "positive"}},
            },
            "generation": {"max-examples": examples, "database": "none", "with-security-parameters": bool(key)},
            # A job that is cancelled is still there.
            "operations": [{"include-path-regex": "^/jobs/", "checks": {"use_after_free": {"enabled": False}}}],
            "checks": {
                # That a size goes with a step count, or a style with its server, no schema says.
                "positive_data_acceptance": {"expected-statuses": ["2xx", "401", "404", "409", "422"]},
                "ignored_auth": {"enabled": bool(key)},
            },
        }
        | keyed
    )


def fuzz(url: str, key: str | None, examples: int, seed: int) -> Found:
    """Blocking. Examples, the edges of every field, random ones, and whole stories: accept, look up, delete, ..."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=settings(url, key, examples, seed))
    found = Found(operations=set(labels(schema)))
    for event in from_schema(schema).execute():
        found.add(event)
    return found


def labels(schema: schemathesis.BaseSchema) -> Iterator[str]:
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok().label


async def fuzzed(limner: OpenLimner, key: str | None, examples: int, seed: int) -> Found:
    # Room for all that will be asked: that a queue is full is no mistake.
    keys = [key] if key else []
    async with limner(FakeExecutor(slots=8), queue_limit=100_000) as service, served(service, *keys) as client:
        return await asyncio.to_thread(fuzz, str(client.base_url).rstrip("/"), key, examples, seed)


def keeps_to_its_description(found: Found) -> None:
    assert found.broken == {}
    assert found.operations - NOT_ALWAYS_DONE <= found.well
    assert min(found.checks.values()) > 0


# Some 750 requests: ten seconds, or a minute where others work beside it.
@pytest.mark.slow
async def test_the_service_keeps_to_its_description_whatever_it_is_sent(limner: OpenLimner) -> None:
    found = await fuzzed(limner, KEY, examples=2, seed=1)

    keeps_to_its_description(found)
    assert found.checks["ignored_auth"] > 100


@pytest.mark.nightly
@pytest.mark.parametrize("key", [KEY, None], ids=["with keys", "without keys"])
async def test_it_still_does_after_thousands_of_requests(limner: OpenLimner, key: str | None) -> None:
    found = await fuzzed(limner, key, examples=300, seed=random.randrange(2**32))

    keeps_to_its_description(found)
    assert found.asked > 3000
