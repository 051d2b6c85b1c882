"""What the worker paints has all marks, and a refinement names what it was made from."""

import time
from pathlib import Path

import pytest

from bot.inference.caps import Caps
from bot.inference.paint import Painter
from bot.inference.pipelines import DEMO, Pipelines
from bot.inference.wire import Finished, News
from bot.jobs import ImageRequest, Refinement
from bot.marks.authority import own_signer
from bot.marks.credentials import SOURCE_TYPE, State
from bot.marks.findings import Watermark, examine
from bot.marks.marker import Marker
from bot.ports import Memory, Painted, Work
from tests.bot.inference.painting import work

pytestmark = pytest.mark.slow
CAT = ImageRequest(prompt="a cat", width=256, height=256, num_inference_steps=1, seed=1)


def painted(pipelines: Pipelines, marker: Marker, of: Work) -> bytes:
    told: list[News] = []
    painter = Painter(
        pipelines, Caps(10**9, 8), tell=lambda _, news: told.append(news), clock=time.monotonic, marker=marker
    )
    painter.accept(0, of)
    while painter.turn() or painter.holds_any:
        pass
    assert isinstance(told[-1], Finished), told[-1]
    (image,) = (news for news in told if isinstance(news, Painted))
    return image.png


def test_what_the_worker_paints_has_all_marks(tmp_path: Path) -> None:
    pipelines = Pipelines.load(DEMO, DEMO, Memory.AUTO)
    signer = own_signer(tmp_path, time.time())
    first = painted(pipelines, Marker(watermark=True, signer=signer), work(CAT))
    refinement = Refinement(image_id="image-9", prompt="warmer", num_inference_steps=2, seed=1)
    second = painted(pipelines, Marker(watermark=True, signer=signer), work(refinement, source=first))

    for png, actions in ((first, ("c2pa.created",)), (second, ("c2pa.opened", "c2pa.edited"))):
        found = examine(png, signer.certificates)
        assert (found.watermark, found.recipe, found.source_type) == (Watermark.FOUND, True, SOURCE_TYPE)
        assert found.credentials is not None
        assert (found.credentials.state, found.credentials.actions) == (State.TRUSTED, actions)
        assert found.credentials.model == "demo"
        assert found.credentials.parent == ("image-9" if png is second else None)
