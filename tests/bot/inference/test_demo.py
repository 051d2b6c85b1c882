"""What the demo model paints is what it was told, as far as one can tell without eyes."""

from dataclasses import replace

import pytest
from PIL import Image

from bot.inference.pipelines import DEMO, Pipelines
from bot.jobs import ImageRequest, Quality, Refinement
from bot.ports import Work
from tests.bot.inference.painting import painted, picture, work
from training.evaluate import colour_of

pytestmark = pytest.mark.slow

RED_APPLE = ImageRequest(prompt="a red apple on a blue background", seed=7, num_inference_steps=20)


@pytest.fixture(scope="module")
def pipelines() -> Pipelines:
    return Pipelines.load(DEMO, DEMO)


def paint(pipelines: Pipelines, asked: Work) -> Image.Image:
    (image,) = painted(pipelines, asked)
    return picture(image)


def centre(image: Image.Image) -> tuple[float, ...]:
    """The mean colour of the middle."""
    left, top = image.width * 3 // 8, image.height * 3 // 8
    middle = image.crop((left, top, image.width - left, image.height - top))
    return middle.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[return-value]


@pytest.mark.parametrize("quality", Quality)
def test_a_red_apple_on_a_blue_background_is_red_and_its_background_blue(
    pipelines: Pipelines, quality: Quality
) -> None:
    apple = paint(pipelines, work(replace(RED_APPLE, quality=quality, num_inference_steps=None)))

    red, green, blue = centre(apple)
    assert apple.size == (128, 128)
    assert colour_of(apple) == "blue"
    assert red > 2 * max(green, blue)


@pytest.mark.parametrize("size", [(192, 128), (96, 160)])
def test_other_sizes_have_their_background_too(pipelines: Pipelines, size: tuple[int, int]) -> None:
    width, height = size
    penguin = replace(RED_APPLE, prompt="a penguin on a yellow background", width=width, height=height)

    assert colour_of(paint(pipelines, work(penguin))) == "yellow"


def test_a_refinement_changes_the_background_and_leaves_the_subject(pipelines: Pipelines) -> None:
    (apple,) = painted(pipelines, work(RED_APPLE))
    green = Refinement(
        image_id="apple",
        prompt="a red apple on a green background",
        seed=8,
        strength=0.8,
        num_inference_steps=30,
    )

    changed = paint(pipelines, work(green, source=apple.png))

    assert colour_of(changed) == "green"
    assert centre(changed)[0] > 2 * max(centre(changed)[1:])
