"""What a quality fills in, and what a person said stays."""

from dataclasses import replace

import pytest

from bot.jobs import ImageRequest, Quality, Refinement, Sampler, Stage
from bot.quality import FEW_STEPS, GENERATE, REFINE, Menu, can_be_shared

CAT = ImageRequest(prompt="a cat")
SNOW = Refinement(image_id="parent", prompt="snow")


@pytest.mark.parametrize("quality", Quality)
def test_a_quality_stands_for_sampler_steps_and_guidance(quality: Quality) -> None:
    filled = Menu().filled_in(replace(CAT, quality=quality))

    preset = GENERATE[quality]
    assert (filled.sampler, filled.num_inference_steps) == (preset.sampler, preset.num_inference_steps)
    assert (filled.guidance_scale, filled.refine_at) == (preset.guidance_scale, preset.refine_at)


def test_only_high_quality_ends_with_the_refiner_and_only_where_there_is_one() -> None:
    high = replace(CAT, quality=Quality.HIGH)

    assert Menu().filled_in(CAT).refine_at is None
    assert Menu().filled_in(high).refine_at == 0.8
    assert Menu(has_refiner=False).filled_in(high).refine_at is None
    assert Menu().filled_in(replace(high, num_inference_steps=3)).refine_at is None, "no step for each of them"
    assert Menu().filled_in(replace(CAT, refine_at=0.6)).refine_at == 0.6


def test_what_a_person_said_stays() -> None:
    said = replace(
        CAT, quality=Quality.HIGH, sampler=Sampler.LCM, num_inference_steps=0, guidance_scale=0.0, refine_at=0.5
    )

    assert Menu().filled_in(said) == said


@pytest.mark.parametrize("name", FEW_STEPS)
def test_a_draft_takes_the_lora_for_few_steps_where_the_operator_has_one(name: str) -> None:
    filled = Menu(draft=name).filled_in(replace(CAT, quality=Quality.DRAFT))

    assert filled.few_steps == name
    assert filled.num_inference_steps is not None
    assert filled.num_inference_steps <= 8
    assert filled.guidance_scale == 1.0
    assert Menu(draft=name).filled_in(CAT).few_steps is None


def test_a_sampler_that_somebody_chose_is_used_without_that_lora() -> None:
    filled = Menu(draft="lcm").filled_in(replace(CAT, quality=Quality.DRAFT, sampler=Sampler.EULER))

    assert (filled.few_steps, filled.sampler) == (None, Sampler.EULER)
    assert filled.num_inference_steps == GENERATE[Quality.DRAFT].num_inference_steps


@pytest.mark.parametrize(
    ("refinement", "menu", "stage"),
    [
        (SNOW, Menu(), Stage.REFINER),
        (replace(SNOW, strength=0.5), Menu(), Stage.REFINER),
        (replace(SNOW, strength=0.51), Menu(), Stage.BASE),
        (replace(SNOW, style="ink"), Menu(), Stage.BASE),
        (SNOW, Menu(has_refiner=False), Stage.BASE),
    ],
    ids=["as usual", "half", "more than half", "a style", "no refiner"],
)
def test_the_refiner_refines_unless_only_the_base_can(refinement: Refinement, menu: Menu, stage: Stage) -> None:
    filled = menu.filled_in_for(refinement)

    assert filled.stage is stage
    assert filled.num_inference_steps == REFINE[Quality.STANDARD].num_inference_steps


def test_a_draft_of_a_refinement_takes_the_lora_for_few_steps_only_with_the_base() -> None:
    draft = replace(SNOW, quality=Quality.DRAFT)

    assert Menu(draft="lcm").filled_in_for(draft).few_steps is None
    assert Menu(draft="lcm", has_refiner=False).filled_in_for(draft).few_steps == "lcm"


@pytest.mark.parametrize(
    ("steps", "refine_at", "can"),
    [(5, 0.8, True), (4, 0.8, False), (2, 0.5, True), (1, 0.5, False), (10, 0.95, False), (30, None, False)],
)
def test_base_and_refiner_need_a_step_each(steps: int, refine_at: float | None, can: bool) -> None:
    assert can_be_shared(steps, refine_at) is can


@pytest.mark.parametrize("name", FEW_STEPS)
@pytest.mark.parametrize("said", [{}, {"num_inference_steps": 7}, {"guidance_scale": 1.5}], ids=str)
def test_a_draft_that_is_asked_again_is_the_same_draft(name: str, said: dict[str, float]) -> None:
    menu = Menu(draft=name, has_refiner=False)
    draft = menu.filled_in(replace(CAT, quality=Quality.DRAFT, **said))  # type: ignore[arg-type]
    refined = menu.filled_in_for(replace(SNOW, quality=Quality.DRAFT, **said))  # type: ignore[arg-type]

    again, refined_again = menu.asked_again(draft), menu.asked_again(refined)

    assert isinstance(again, ImageRequest)
    assert isinstance(refined_again, Refinement)
    assert menu.filled_in(again) == draft
    assert menu.filled_in_for(refined_again) == refined


@pytest.mark.parametrize("menu", [Menu(), Menu(draft="lightning")], ids=["none", "another"])
def test_a_draft_is_asked_again_with_what_drafts_are_made_of_now(menu: Menu) -> None:
    draft = replace(CAT, quality=Quality.DRAFT)

    again = menu.asked_again(Menu(draft="lcm").filled_in(draft))

    assert isinstance(again, ImageRequest)
    assert menu.filled_in(again) == menu.filled_in(draft)


@pytest.mark.parametrize("quality", Quality)
def test_what_has_no_lora_for_few_steps_is_asked_again_as_it_is(quality: Quality) -> None:
    filled = Menu().filled_in(replace(CAT, quality=quality, num_inference_steps=20))

    assert Menu(draft="lcm").asked_again(filled) == filled
