import random
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapters.chat.text import MARKS_MAX, TURNS, fitting, length
from adapters.discord import render, reports
from adapters.discord.markdown import code, person, plain, quoted
from adapters.discord.render import Shown
from adapters.discord.words import Words, words_for
from bot.errors import DiskFull
from bot.events import Progress, Queued, Started
from bot.jobs import Failure, Image, ImageRequest, Job, JobStatus, Quality, Recipe, Refinement, Sampler, Stage
from bot.ports import WorkerState, WorkerStatus
from bot.status import Lately, Running, Status

ENGLISH, GERMAN = words_for("en"), words_for("de")
SPACE, REQUESTER = "discord:9", "discord:123456789012345678"
JOB_ID = "f7000000-7a52-4e0e-9d4a-6d3a1f0e8b00"
LARGEST_SEED = 2**64 - 1

#: What breaks out of a line where it can.
PIECES = [
    *"*_~`|<>[]()#-+:/\\@.!1 a",
    "@everyone",
    "@here",
    "@Everyone",
    "<@1>",
    "<@!1>",
    "<@&1>",
    "<#1>",
    "<t:1:R>",
    "</generate:1>",
    "<a:cat:1>",
    "[x](http://a.b)",
    "https://a.b/c",
    "<https://a.b>",
    "discord.gg/abc",
    ":cat:",
    "||x||",
    "```py",
    "\n# x",
    "\n-# x",
    "\n- x",
    "\n1. x",
    "\n> x",
    "\n>>> x",
    "\r\n",
    "\u2028",
    "\x0b",
    "\x00",
    "\ud83d",
    "\U0001f408",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u05e9\u05dc\u05d5\u05dd",
    "\u0645\u0631\u062d\u0628\u0627",
    "\u202e",
    "\u2066",
    "e" + "\u0301" * 30,
    "\u0489" * 30,
    "\u732b",
]
#: Each of them fills a message by itself.
WORST = [piece * (2000 // len(piece)) for piece in PIECES]


def prompts(count: int) -> Sequence[str]:
    chance = random.Random(7)
    mixed = ["".join(chance.choices(PIECES, k=chance.choice([1, 3, 10, 100, 1000])))[:2000] for _ in range(count)]
    return [*WORST, *mixed]


def image_of(prompt: str, number: int = 1, *, negative_prompt: str | None = None) -> Image:
    recipe = Recipe(
        stage=Stage.BASE,
        model="stabilityai/stable-diffusion-xl-base-1.0",
        prompt=prompt,
        negative_prompt=negative_prompt,
        width=1216,
        height=832,
        seed=LARGEST_SEED - number,
        sampler=Sampler.EULER,
        num_inference_steps=50,
        guidance_scale=5.5,
        refiner="stabilityai/stable-diffusion-xl-refiner-1.0",
        refine_at=0.8,
        loras={"ink.safetensors": 0.8},
        device="NVIDIA H100",
        dtype="float16",
        versions={"diffusers": "0.42.1"},
    )
    return Image(
        id=f"0c6f1a2b-7a52-4e0e-9d4a-6d3a1f0e8b{number:02d}",
        job_id=JOB_ID,
        requester=REQUESTER,
        space=SPACE,
        parent_id=None,
        file="file.png",
        sha256="0" * 64,
        size=1,
        width=1216,
        height=832,
        recipe=recipe,
        created_at=0.0,
    )


def job_of(request: ImageRequest | Refinement) -> Job:
    return Job(
        id=JOB_ID,
        requester=REQUESTER,
        space=SPACE,
        audience=SPACE,
        origin="",
        request=request,
        image_ids=("0c6f1a2b-7a52-4e0e-9d4a-6d3a1f0e8b01",),
        created_at=0.0,
    )


CAT = job_of(ImageRequest(prompt="a cat in a hat", num_inference_steps=30))
CAT_IMAGE = image_of("a cat in a hat")


def all_of(prompt: str, words: Words) -> Sequence[Shown]:
    """Every kind of message about a job."""
    job = job_of(ImageRequest(prompt=prompt, num_inference_steps=30, quality=Quality.HIGH, style="_ink_"))
    refined = replace(job, request=Refinement(image_id=CAT_IMAGE.id, prompt=prompt, strength=0.4))
    four = [image_of(prompt, number) for number in range(1, 5)]
    links = [words.say("link.number", number=number, link="https://limner.example/" + "x" * 250) for number in range(4)]
    return [
        render.waiting(job, Queued(3, 1_800_000_000), words),
        render.painting(job, Started(), words),
        render.painting(job, Progress(2, 4, 45, 120), words),
        render.restarting(job, words),
        render.failed(job, Failure("something_new", prompt), words),
        render.cancelled(job, words, "discord:42"),
        render.finished(job, four[:1], words, 12.3),
        render.finished(refined, four, words, 123.4, links),
    ]


def displayed(text: str) -> str:
    """As Discord shows it: a backslash before anything but letters, digits and spaces is not shown."""
    return re.sub(r"\\([^0-9A-Za-z\s])", r"\1", text).replace("@\u200b", "@")


def bare(text: str) -> str:
    """What Discord may take for markdown: with a zero for all that a backslash stands before."""
    return re.sub(r"\\[^0-9A-Za-z\s]", "\0", text)


@pytest.mark.parametrize("words", [ENGLISH, GERMAN], ids=["en", "de"])
def test_every_message_is_legal_with_any_prompt(words: Words) -> None:
    for prompt in prompts(60):
        for shown in all_of(prompt, words):
            assert length(shown.content) <= 2000
            assert len(shown.rows) <= 5
            buttons = [button for row in shown.rows for button in row]
            assert all(1 <= len(row) <= 5 for row in shown.rows)
            assert all(0 < length(button.label) <= 80 for button in buttons)
            assert all(len(button.custom_id) <= 100 for button in buttons)
            assert len({button.custom_id for button in buttons}) == len(buttons)
            shown.content.encode()


def test_a_prompt_stays_in_its_line() -> None:
    for prompt in prompts(60):
        for shown, plain_one in zip(all_of(prompt, ENGLISH), all_of("a cat", ENGLISH), strict=True):
            lines, expected = shown.content.splitlines(), plain_one.content.splitlines()
            assert lines[0].startswith("> ")
            if "The reason" not in expected[1]:
                assert lines[1:] == expected[1:]
            else:
                assert len(lines) == len(expected)


def test_nothing_in_a_prompt_is_markdown_a_mention_or_a_link() -> None:
    for prompt in prompts(300):
        text = quoted(prompt, 2000)
        left = bare(text)
        assert not re.search(r"[*_~`|<\[\]/]", left), text
        assert not re.search(r"@(everyone|here)", text, re.IGNORECASE), text
        assert "://" not in text
        assert not re.match(r"[#>+-]|\d+\.", left), text
        assert not re.search(r":[^\s:\0]+:", left), text
        assert not re.search(r"<[@#t/:a]", left), text
        assert text == " ".join(text.split())


def test_what_is_escaped_looks_as_it_was_written() -> None:
    for prompt in prompts(300):
        assert displayed(quoted(prompt, 10**6)) == plain(prompt, 10**6)


def test_a_prompt_without_anything_special_stays_as_it_is() -> None:
    prompt = "Portrait of a cat, 35mm, best-quality (hat:1.3), it's 50% gray; Stra\u00dfe \u732b \U0001f408"
    assert quoted(prompt, 2000) == prompt


def test_cutting_leaves_no_half_of_anything() -> None:
    for prompt in prompts(100):
        whole = quoted(prompt, 10**6)
        for limit in (1, 2, 3, 7, 50, 199, 200):
            text = quoted(prompt, limit)
            assert length(text) <= limit
            if text != whole:
                assert text.endswith("…")
                assert not text[:-1].endswith(" ")
                assert whole.startswith(text[:-1])
                assert not re.search(r"(?<!\\)(\\\\)*\\…", text)


def test_a_short_prompt_is_not_cut() -> None:
    assert quoted("a cat", 5) == "a cat"
    assert quoted("a cat", 4) == "a c…"


def test_towers_of_marks_are_lowered_and_nothing_turns_the_direction() -> None:
    assert quoted("e" + "\u0301" * 30 + "x", 100) == "e" + "\u0301" * MARKS_MAX + "x"
    assert not TURNS & set(quoted("a\u202eb\u2066c\u2069", 100))


def test_hebrew_and_arabic_stay_as_they_are() -> None:
    for prompt in ("\u05e9\u05b8\u05dc\u05d5\u05b9\u05dd", "\u0645\u064e\u0631\u062d\u064e\u0628\u0627"):
        assert quoted(prompt, 100) == prompt


def test_code_cannot_be_left() -> None:
    assert code("a`b\nc") == "`a'b c`"


def test_only_discords_own_people_are_mentioned() -> None:
    assert person("discord:1234") == "<@1234>"
    assert person("slack:U12") == "slack"
    assert person("discord:everyone") == "discord"
    assert person("<@1>") == "\\<@1>"


def test_lines_that_do_not_fit_are_left_out_whole() -> None:
    assert fitting(["12345", "123456", "12"], 9) == ["12345", "12"]


def test_the_first_in_line_is_told_so_with_the_time() -> None:
    shown = render.waiting(CAT, Queued(1, 1_800_000_000), ENGLISH)
    assert shown.content == "> a cat in a hat\nNext in line · expected <t:1800000000:R>\n-# for <@123456789012345678>"


def test_a_place_in_line_is_told_without_a_time_where_none_is_known() -> None:
    assert "\nPlatz 4 in der Reihe\n" in render.waiting(CAT, Queued(4), GERMAN).content


@pytest.mark.parametrize(
    "shown",
    [
        render.waiting(CAT, Queued(1), ENGLISH),
        render.painting(CAT, Started(), ENGLISH),
        render.painting(CAT, Progress(1, 1, 3, 30), ENGLISH),
        render.restarting(CAT, ENGLISH),
    ],
)
def test_a_job_can_be_cancelled_until_it_is_over(shown: Shown) -> None:
    ((button,),) = shown.rows
    assert button.custom_id == f"limner:cancel:{JOB_ID}"


def test_progress_is_told_in_steps_and_names_the_image_of_a_set() -> None:
    assert "▰▰▰▰▱▱▱▱▱▱▱▱ Step 10 of 30\n" in render.painting(CAT, Progress(1, 1, 10, 30), ENGLISH).content
    assert "Step 45 of 120 · image 2 of 4\n" in render.painting(CAT, Progress(2, 4, 45, 120), ENGLISH).content


def test_the_bar_is_empty_at_first_and_full_at_last() -> None:
    assert "▱" * 12 in render.painting(CAT, Progress(1, 1, 0, 30), ENGLISH).content
    assert "▰" * 12 in render.painting(CAT, Progress(1, 1, 30, 30), ENGLISH).content


def test_a_finished_image_has_its_details_and_buttons() -> None:
    shown = render.finished(CAT, [CAT_IMAGE], ENGLISH, 12.34)
    seed = LARGEST_SEED - 1
    assert shown.content == (
        f"> a cat in a hat\n-# seed {seed} · 1216 \u00d7 832 · 30 steps · 12.3 s · for <@123456789012345678>"
    )
    assert [[(button.action, button.style) for button in row] for row in shown.rows] == [
        [("refine", "primary"), ("vary", "secondary"), ("again", "secondary"), ("delete", "danger")],
        [("recipe", "secondary"), ("report", "secondary")],
    ]
    assert {button.subject for row in shown.rows for button in row} == {CAT_IMAGE.id}


def test_quality_and_style_are_told_where_they_were_chosen() -> None:
    chosen = job_of(ImageRequest(prompt="a cat", num_inference_steps=14, quality=Quality.DRAFT, style="ink"))
    content = render.finished(chosen, [CAT_IMAGE], GERMAN, 2.0).content
    assert "14 Schritte · Entwurf · Stil: ink · 2,0 s" in content


def test_a_refined_image_says_from_which_and_how_strongly() -> None:
    refined = job_of(Refinement(image_id=CAT_IMAGE.id, prompt="warmer light", strength=0.4))
    content = render.finished(refined, [image_of("warmer light", 2)], ENGLISH, 75.0).content
    assert "1 min 15 s" in content
    assert "\n-# refined from `0c6f1a2b`, strength 0.4" in content


@pytest.mark.parametrize("count", [2, 3, 4])
def test_each_image_of_a_set_has_numbered_buttons(count: int) -> None:
    images = [image_of("a cat", number) for number in range(1, count + 1)]
    cats = replace(CAT, image_ids=tuple(image.id for image in images))
    refine, vary, delete, whole = render.finished(cats, images, ENGLISH, 1.0).rows
    for row in (refine, vary, delete):
        assert [button.subject for button in row] == [image.id for image in images]
    assert [button.label for button in refine] == [f"Refine {number}" for number in range(1, count + 1)]
    assert [(button.action, button.subject) for button in whole] == [
        ("again", images[0].id),
        ("recipe", images[0].id),
        ("report", images[0].id),
    ]


def test_a_set_shows_its_first_and_last_seed() -> None:
    images = [image_of("a cat", number) for number in (3, 2, 1)]
    assert f"seeds {LARGEST_SEED - 3} to {LARGEST_SEED - 1} ·" in render.finished(CAT, images, ENGLISH, 1.0).content


def test_notes_are_lines_below_the_details() -> None:
    content = render.finished(CAT, [CAT_IMAGE], ENGLISH, 1.0, ["first note", "second note"]).content
    assert content.endswith("\nfirst note\nsecond note")


def test_a_job_without_images_left_is_still_told() -> None:
    shown = render.finished(CAT, [], ENGLISH, 1.0)
    assert "30 steps" in shown.content
    assert shown.rows == ()


def test_there_is_room_for_a_line_above_each_message() -> None:
    for prompt in WORST:
        assert all(length(shown.content) <= 1800 for shown in all_of(prompt, GERMAN))


def test_what_failed_or_was_cancelled_says_why_and_can_be_tried_again() -> None:
    failed = render.failed(CAT, Failure("image_gone", "…"), ENGLISH)
    assert "\nThis could not be painted. The image to refine was deleted in the meantime.\n" in failed.content
    cancelled = render.cancelled(CAT, ENGLISH)
    assert "\nCancelled.\n" in cancelled.content
    for shown in (failed, cancelled):
        ((button,),) = shown.rows
        assert button.custom_id == f"limner:retry:{JOB_ID}"


def test_who_else_cancelled_a_job_is_named() -> None:
    assert "\nAbgebrochen von <@42>.\n" in render.cancelled(CAT, GERMAN, "discord:42").content


def test_alt_texts_fit_and_say_that_a_machine_painted() -> None:
    for prompt in prompts(60):
        for thing in (job_of(ImageRequest(prompt=prompt)), image_of(prompt)):
            for number in (None, 4):
                text = render.alt_text(thing, number, GERMAN)
                assert length(text) <= 1024
                assert text.endswith("(von einer Maschine gemalt)")
    assert render.alt_text(CAT_IMAGE, 2, ENGLISH) == "Image 2: a cat in a hat (painted by a machine)"


def test_a_picture_that_somebody_brought_has_an_alt_text_too() -> None:
    assert render.alt_text(replace(CAT_IMAGE, recipe=None), None, ENGLISH) == "A picture that somebody brought"


@pytest.mark.parametrize("words", [ENGLISH, GERMAN], ids=["en", "de"])
def test_a_recipe_fits_with_any_prompts_and_always_has_its_id(words: Words) -> None:
    for prompt in prompts(10):
        for negative_prompt in (None, "blurry", prompt):
            image = image_of(prompt, negative_prompt=negative_prompt)
            text = reports.recipe(image, words)
            assert length(text) <= 2000
            assert f"`{image.id}`" in text
            assert str(LARGEST_SEED - 1) in text


def test_the_recipe_of_a_set_tells_seed_and_id_of_each_and_fits() -> None:
    recipe = image_of("*" * 2000, negative_prompt="_" * 2000).recipe
    assert recipe is not None
    images = {
        number: replace(CAT_IMAGE, id=JOB_ID[:-1] + str(number), recipe=replace(recipe, seed=LARGEST_SEED - number))
        for number in (1, 2, 4)
    }
    text = reports.recipe(images[1], ENGLISH, images)

    for number, image in images.items():
        assert f"Image {number}: seed {LARGEST_SEED - number}, ID `{image.id}`" in text.splitlines()
    assert "Seed:" not in text
    assert length(text) <= 2000


def test_a_recipe_has_everything_that_the_index_has() -> None:
    assert image_of("a cat", negative_prompt="blur_ry").recipe is not None
    text = reports.recipe(image_of("a cat", negative_prompt="blur_ry"), ENGLISH)
    for part in (
        "> a cat\nWithout:\n> blur\\_ry\n",
        "1216 \u00d7 832",
        "Steps: 50 · guidance: 5.5 · sampler: `euler`",
        "Model: `stabilityai/stable-diffusion-xl-base-1.0`",
        "Refiner: `stabilityai/stable-diffusion-xl-refiner-1.0`, for the last 20% of the noise",
        "LoRAs: `ink.safetensors` \u00d7 0.8",
        "Painted on: NVIDIA H100, float16",
        "Versions: diffusers 0.42.1",
    ):
        assert part in text
    assert "mydata" not in text


def test_a_refinements_recipe_names_its_parent_in_full() -> None:
    recipe = CAT_IMAGE.recipe
    assert recipe is not None
    refined = replace(CAT_IMAGE, recipe=replace(recipe, parent_id=JOB_ID, strength=0.4))
    assert f"Refined from: `{JOB_ID}`, strength 0.4" in reports.recipe(refined, ENGLISH)


def test_a_recipe_says_when_its_words_are_cut() -> None:
    assert "/limner mydata" in reports.recipe(image_of("*" * 2000), ENGLISH)
    assert "/limner mydata" in reports.recipe(image_of("a", negative_prompt="*" * 2000), ENGLISH)
    assert "/limner mydata" not in reports.recipe(image_of("a cat, waiting…"), ENGLISH)


def test_a_long_prompt_and_a_short_negative_one_share_the_room_as_they_need_it() -> None:
    text = reports.recipe(image_of("a" * 1500, negative_prompt="blurry"), ENGLISH)
    assert text.count("a" * 900) == 1
    assert "> blurry\n" in text


def test_a_recipe_with_endless_facts_fits_too() -> None:
    recipe = CAT_IMAGE.recipe
    assert recipe is not None
    endless = replace(
        recipe,
        prompt="*" * 2000,
        negative_prompt="_" * 2000,
        model="m" * 3000,
        loras={str(number) * 50: 0.5 for number in range(50)},
        versions={str(number): "1.0" for number in range(500)},
    )
    text = reports.recipe(replace(CAT_IMAGE, recipe=endless), GERMAN)
    assert length(text) <= 2000
    assert CAT_IMAGE.id in text


def test_a_picture_that_somebody_brought_has_an_id_but_no_recipe() -> None:
    text = reports.recipe(replace(CAT_IMAGE, recipe=None), ENGLISH)
    assert "no recipe" in text
    assert CAT_IMAGE.id in text


def test_a_choice_shows_prompt_size_and_short_id_and_means_the_whole_id() -> None:
    assert render.choice(CAT_IMAGE, ENGLISH) == ("a cat in a hat · 1216 \u00d7 832 · 0c6f1a2b", CAT_IMAGE.id)
    assert render.choice(replace(CAT_IMAGE, recipe=None), GERMAN)[0] == "eigenes Bild · 1216 \u00d7 832 · 0c6f1a2b"


def test_choices_fit_with_any_prompt() -> None:
    for prompt in prompts(60):
        name, _ = render.choice(image_of(prompt), ENGLISH)
        assert 0 < length(name) <= 100


# How Limner is.

WORKER = WorkerStatus(
    name="local",
    state=WorkerState.BUSY,
    model="stabilityai/sdxl",
    refiner="stabilityai/sdxl-refiner",
    device="NVIDIA H100",
    dtype="float16",
    memory_used=12_300_000_000,
    memory_total=84_900_000_000,
    restarts=2,
    plan="full, up to 8 pictures per step",
    detail="The worker *stopped*.",
)


def status_of(*jobs: Job, workers: Sequence[WorkerStatus] = (WORKER,), stopping: bool = False) -> Status:
    running = [Running(job, Progress(1, 1, 12, 30)) for job in jobs]
    counts = dict.fromkeys(JobStatus, 0)
    return Status(queued=3, running=running, counts=counts, workers=workers, stopping=stopping)


QUIET = Lately(seconds=[], failures={})


def test_the_status_names_people_of_this_space_only() -> None:
    elsewhere = replace(CAT, space="discord:10", requester="discord:777")
    text = reports.status(status_of(CAT, elsewhere), QUIET, "0.1.0", ENGLISH, SPACE)
    assert "- for <@123456789012345678> · Step 12 of 30" in text
    assert "- elsewhere · Step 12 of 30" in text
    assert "777" not in text


def test_the_status_does_not_tell_who_paints_privately_nor_what_anybody_paints() -> None:
    text = reports.status(status_of(replace(CAT, audience="")), QUIET, "0.1.0", ENGLISH, SPACE)
    assert "- for somebody here, privately · Step 12 of 30" in text
    assert "<@" not in text
    assert "cat" not in text


def test_the_status_tells_how_each_worker_is() -> None:
    text = reports.status(status_of(), QUIET, "0.1.0", ENGLISH, SPACE)
    for part in (
        "**Limner 0.1.0** is ready.",
        "Waiting: 3 · being painted: 0",
        "- `local` busy · model `stabilityai/sdxl` · refiner `stabilityai/sdxl-refiner` · NVIDIA H100 float16",
        "12.3 of 84.9 GB in use · 2 restarts",
        "-# full, up to 8 pictures per step",
        "-# The worker \\*stopped\\*.",
    ):
        assert part in text


def test_the_status_tells_of_the_last_hour() -> None:
    lately = Lately(seconds=[1.0, 2.0, 3.5, 4.0, 90.0], failures={"worker_died": 1, "out_of_memory": 2})
    text = reports.status(status_of(), lately, "0.1.0", GERMAN, SPACE)
    assert "- 5 Aufträge erledigt; die Hälfte in 3,5 s, 95 % in 1 min 30 s" in text
    assert "- misslungen: 2 \u00d7 `out_of_memory`, 1 \u00d7 `worker_died`" in text
    assert "nichts gemalt" in reports.status(status_of(), QUIET, "0.1.0", GERMAN, SPACE)


@pytest.mark.parametrize("state", WorkerState)
def test_every_state_of_a_worker_has_words(state: WorkerState) -> None:
    worker = WorkerStatus(name="gpu0", state=state)
    for words in (ENGLISH, GERMAN):
        assert "- `gpu0` " in reports.status(status_of(workers=[worker]), QUIET, "0.1.0", words, SPACE)


def test_the_status_says_when_limner_is_not_ready_stops_or_cannot_use_its_disk() -> None:
    assert "is not ready yet" in reports.status(status_of(workers=[]), QUIET, "0.1.0", ENGLISH, SPACE)
    assert "is restarting" in reports.status(status_of(stopping=True), QUIET, "0.1.0", ENGLISH, SPACE)
    assert "cannot use its disk" in reports.status(
        replace(status_of(), trouble=DiskFull("no space")), QUIET, "0.1.0", ENGLISH, SPACE
    )


def test_the_status_of_a_busy_cluster_fits() -> None:
    workers = [replace(WORKER, name=f"gpu{number}", detail="`*" * 500) for number in range(50)]
    failures = {f"code_{number}": number for number in range(100)}
    text = reports.status(status_of(*[CAT] * 30, workers=workers), Lately([1.0], failures), "0.1.0", GERMAN, SPACE)
    assert length(text) <= 2000
    assert "und 22 mehr" in text
    assert "`gpu0`" in text


def test_about_names_each_model_once() -> None:
    assert "Model: `stabilityai/sdxl`\n" in reports.about(status_of(workers=[WORKER, WORKER]), "0.1.0", ENGLISH)
    assert "Model: not loaded yet\n" in reports.about(status_of(workers=[]), "0.1.0", ENGLISH)
