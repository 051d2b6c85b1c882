import os

import pytest

# Before torch comes: threads that spin while they wait would stop the workers that other tests start.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

from bot.inference.pipelines import DEMO, Pipelines


@pytest.fixture(scope="session")
def demo() -> Pipelines:
    return Pipelines.load(DEMO, DEMO)
