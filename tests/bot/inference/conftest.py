import pytest

from bot.inference.pipelines import DEMO, Pipelines


@pytest.fixture(scope="session")
def demo() -> Pipelines:
    return Pipelines.load(DEMO, DEMO)
