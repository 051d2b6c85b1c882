"""The legal moves of a job, and requests and recipes as JSON."""

import json
from dataclasses import fields, replace

import pytest

from bot.jobs import ImageRequest, JobStatus, Recipe, Refinement, Sampler, Stage, request_from_json, request_to_json

STRANGE = "\ufdfd \U0001f469\u200d\U0001f3a8 \u202eright\u202c \u2028\x00\t \"\\' e\u0301 \uffff"

LEGAL = {
    ("queued", "running"),
    ("queued", "cancelled"),
    ("running", "queued"),
    ("running", "done"),
    ("running", "failed"),
    ("running", "cancelled"),
}

RECIPE = Recipe(
    stage=Stage.BASE,
    model="an owner/a model",
    prompt=STRANGE,
    negative_prompt=None,
    width=1024,
    height=768,
    seed=2**64 - 1,
    sampler=Sampler.EULER,
    num_inference_steps=30,
    guidance_scale=1 / 3,
)


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("other", JobStatus)
def test_a_job_makes_the_legal_moves_only(status: JobStatus, other: JobStatus) -> None:
    assert status.may_become(other) == ((status.value, other.value) in LEGAL)


@pytest.mark.parametrize("status", JobStatus)
def test_a_job_is_over_once_it_is_done_failed_or_cancelled(status: JobStatus) -> None:
    assert status.over == (status.value in ("done", "failed", "cancelled"))


@pytest.mark.parametrize("sampler", Sampler)
@pytest.mark.parametrize("seed", [None, 0, 2**53 + 1, 2**64 - 1])
@pytest.mark.parametrize("negative_prompt", [None, "", STRANGE])
def test_a_request_comes_back_from_json_as_it_was(
    sampler: Sampler, seed: int | None, negative_prompt: str | None
) -> None:
    request = ImageRequest(
        prompt=STRANGE,
        negative_prompt=negative_prompt,
        width=1024,
        height=None,
        num_inference_steps=150,
        guidance_scale=0.1 + 0.2,
        sampler=sampler,
        seed=seed,
        num_images=4,
    )

    again = request_from_json(*request_to_json(request))

    assert again == request
    assert isinstance(again.sampler, Sampler)


@pytest.mark.parametrize("sampler", Sampler)
@pytest.mark.parametrize("seed", [None, 0, 2**53 + 1, 2**64 - 1])
@pytest.mark.parametrize("negative_prompt", [None, "", STRANGE])
def test_a_refinement_comes_back_from_json_as_it_was(
    sampler: Sampler, seed: int | None, negative_prompt: str | None
) -> None:
    refinement = Refinement(
        image_id="parent",
        prompt=STRANGE,
        negative_prompt=negative_prompt,
        strength=1 / 3,
        num_inference_steps=1,
        guidance_scale=0.1 + 0.2,
        sampler=sampler,
        seed=seed,
        num_images=2,
    )

    again = request_from_json(*request_to_json(refinement))

    assert again == refinement
    assert isinstance(again.sampler, Sampler)


@pytest.mark.parametrize(
    ("request_", "kind"),
    [(ImageRequest(prompt="a cat"), "generate"), (Refinement(image_id="parent", prompt="warmer"), "refine")],
)
def test_the_json_of_a_request_names_its_kind_and_every_field(request_: ImageRequest | Refinement, kind: str) -> None:
    told, text = request_to_json(request_)

    assert told == kind
    assert list(json.loads(text)) == [field.name for field in fields(request_)]


def test_a_request_that_was_kept_before_a_field_was_added_gets_its_default() -> None:
    assert request_from_json("generate", '{"prompt": "a cat", "sampler": "euler"}') == ImageRequest(
        prompt="a cat", sampler=Sampler.EULER
    )


@pytest.mark.parametrize("sampler", Sampler)
@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE,
        replace(RECIPE, negative_prompt="", versions={"torch": "2.13.0", "diffusers": "0.42.1"}),
        replace(RECIPE, stage=Stage.REFINER, strength=0.3, parent_id="parent", parent_sha256="0" * 64, dtype="float16"),
    ],
    ids=["plain", "with versions", "refined"],
)
def test_a_recipe_comes_back_from_json_as_it_was(recipe: Recipe, sampler: Sampler) -> None:
    recipe = replace(recipe, sampler=sampler)

    again = Recipe.from_json(recipe.to_json())

    assert again == recipe
    assert isinstance(again.sampler, Sampler)
