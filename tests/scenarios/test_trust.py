"""The whole program: pictures are checked by a model in the worker, and carry marks that anybody can ask about."""

from pathlib import Path

import pytest

from tests.bot.inference.checkers import make_checker
from tests.scenarios.conftest import Serve, until

pytestmark = pytest.mark.slow


def test_a_picture_is_checked_and_marked_and_verified(serve: Serve, tmp_path: Path) -> None:
    checker = tmp_path / "checker"
    make_checker(checker, nearness=-1)
    server = serve(LIMNER_IMAGE_CHECK=str(checker))
    server.wait_until_ready()

    (image,) = server.generate(prompt="a cat", num_inference_steps=1, width=256, height=256)["images"]
    assert image["flagged"] is True
    found = server.http.post("/verify", content=server.download(image["id"])).json()
    assert (found["known"], found["id"], found["image_id"]) == (True, image["id"], image["id"])
    assert (found["watermark"], found["recipe"]) == ("found", True)
    assert found["source_type"].endswith("trainedAlgorithmicMedia")
    assert found["credentials"]["state"] == "trusted"
    (worker,) = server.http.get("/status").json()["workers"]
    assert worker["image_check"] == str(checker)
    assert "unchecked" not in server.banner


def test_a_check_that_cannot_be_loaded_paints_nothing_and_says_why(serve: Serve, tmp_path: Path) -> None:
    server = serve(LIMNER_IMAGE_CHECK=str(tmp_path / "nowhere"))
    until(lambda: server.http.get("/status").json()["workers"][0]["detail"])

    (worker,) = server.http.get("/status").json()["workers"]
    assert f"The image check {tmp_path / 'nowhere'} cannot be loaded" in worker["detail"]
    assert server.http.get("/readyz").status_code == 503


def test_without_a_check_it_says_that_pictures_are_unchecked(serve: Serve) -> None:
    assert "images are unchecked" in serve().banner
