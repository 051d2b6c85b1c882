import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from adapters.chat.kept_back import KeptBack
from adapters.chat.text import MARKS_MAX, TURNS, fitting, length
from adapters.slack import blocks, render, reports, views
from adapters.slack.blocks import Button, Shown
from adapters.slack.mrkdwn import code, plain, quoted, when
from adapters.slack.words import words_for
from bot.decisions import Cause, Report
from bot.errors import DiskFull
from bot.events import Progress, Queued, Started
from bot.jobs import (
    Failure,
    Image,
    ImageRequest,
    Job,
    JobStatus,
    Quality,
    Recipe,
    Refinement,
    Sampler,
    Stage,
    Treatment,
)
from bot.ports import WorkerState, WorkerStatus
from bot.status import Lately, Running, Status
from tests.adapters.slack.judging import breaches, rings, spoken, view_breaches

ENGLISH = words_for("en")
SPACE, REQUESTER = "slack:T012AB3C4", "slack:U012AB3CD"
JOB_ID = "f7000000-7a52-4e0e-9d4a-6d3a1f0e8b00"
IMAGE_IDS = tuple(f"0c6f1a2b-7a52-4e0e-9d4a-6d3a1f0e8b{number:02d}" for number in range(1, 5))
LARGEST_SEED = 2**64 - 1

#: What breaks out of a line where it can.
PIECES = [
    *"*_~`|<>[]()#-+:/\\@.!1 a&",
    "<!channel>",
    "<!here|here>",
    "<!everyone>",
    "<!subteam^S012AB3CD>",
    "<@U012AB3CD>",
    "<@U012AB3CD|ada>",
    "<#C012AB3CD>",
    "<!date^1^{time}|x>",
    "<https://a.b|x>",
    "&lt;!channel&gt;",
    "@channel",
    "@here",
    "@everyone",
    "@ada",
    "https://a.b/c",
    "a.b/c",
    "mailto:a@b.c",
    ":cat:",
    "`x`",
    "```py",
    "*x*",
    " _x_ ",
    "~x~",
    "\n> x",
    "\n>>> x",
    "\n• x",
    "\r\n",
    "\u2028",
    "\x0b",
    "\x00",
    "\ud83d",
    "\U0001f408",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u05e9\u05dc\u05d5\u05dd",
    "\u202e",
    "\u2066",
    "e" + "\u0301" * 30,
    "\u0489" * 30,
    "\u732b",
]
#: Each of them fills a message by itself.
WORST = [piece * (2000 // len(piece)) for piece in PIECES]
ADA = "Ada"


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
        id=IMAGE_IDS[number - 1],
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


def job_of(request: ImageRequest | Refinement, images: int = 1) -> Job:
    return Job(
        id=JOB_ID,
        requester=REQUESTER,
        space=SPACE,
        audience=SPACE,
        origin="",
        request=request,
        image_ids=IMAGE_IDS[:images],
        created_at=0.0,
    )


CAT = job_of(ImageRequest(prompt="a cat in a hat", num_inference_steps=30))
FOUR_CATS = replace(CAT, image_ids=IMAGE_IDS)
CAT_IMAGE = image_of("a cat in a hat")
FILE = "F012AB3CDE"


def set_of(prompt: str) -> list[tuple[Image, str | None]]:
    return [(image_of(prompt, number), f"F012AB3CD{number}") for number in range(1, 5)]


def all_of(prompt: str, name: str = ADA) -> Sequence[Shown]:
    """Every kind of message about a job."""
    job = job_of(ImageRequest(prompt=prompt, num_inference_steps=30, quality=Quality.HIGH, style=prompt[:100]))
    refined = job_of(Refinement(image_id=CAT_IMAGE.id, prompt=prompt, strength=0.4), 4)
    links = [ENGLISH.say("link.number", number=number, link="https://a.example/" + "x" * 250) for number in range(4)]
    return [
        render.waiting(job, Queued(3, 1_800_000_000), ENGLISH, name),
        render.painting(job, Started(), ENGLISH, name),
        render.painting(job, Progress(2, 4, 45, 120), ENGLISH, name),
        render.restarting(job, ENGLISH, name),
        render.failed(job, Failure("something_new", prompt), ENGLISH, name),
        render.cancelled(job, ENGLISH, name, by=name),
        render.finished(job, set_of(prompt)[:1], ENGLISH, 12.3, name=name),
        render.finished(refined, set_of(prompt), ENGLISH, 123.4, links, name=name),
        *of_kept_back(prompt, name),
        *of_reports(prompt, name),
        reports.recipe(image_of(prompt, negative_prompt=prompt), ENGLISH),
        render.answer(ENGLISH.say("refusal.other", why=ENGLISH.quoted(prompt, 300))),
    ]


def of_kept_back(prompt: str, name: str) -> Sequence[Shown]:
    job = replace(job_of(ImageRequest(prompt=prompt), 4), treatment=Treatment.SPOILER)
    covered = [(replace(image, flagged=True), file_id) for image, file_id in set_of(prompt)]
    kept = KeptBack(1, 2, 3)
    return [
        render.kept_back(job, kept, ENGLISH, name),
        render.kept_back(job, KeptBack(0, 1, 0), ENGLISH, name),
        render.finished(job, covered, ENGLISH, 1.0, name=name, kept_back=kept),
        render.finished(replace(job, image_ids=job.image_ids[:1]), covered[:1], ENGLISH, 1.0, name=name),
    ]


def of_reports(prompt: str, name: str) -> Sequence[Shown]:
    image, link = image_of(prompt), "https://studio.slack.com/archives/C012AB3CD/p1700000000000100"
    held = Report(image_id=image.id, platform="slack", space=SPACE, cause=Cause.HELD, reporter="", created_at=0.0)
    reported = replace(held, cause=Cause.REPORTED, reporter=REQUESTER)
    text = ENGLISH.say("report.approved", moderator=ENGLISH.quoted(name, 80), person=ENGLISH.quoted(name, 80))
    return [
        render.report(held, image, FILE, name, link, ENGLISH),
        render.report(reported, image, None, name, None, ENGLISH),
        render.decided(text, image, FILE, ENGLISH),
        render.decided(text, image, None, ENGLISH),
        render.report_question([(image_id, number) for number, image_id in enumerate(IMAGE_IDS, 1)], ENGLISH),
        render.uncovered(image, 2, FILE, ENGLISH),
    ]


def all_views(prompt: str) -> Sequence[dict[str, Any]]:
    images = {number: image for number, (image, _) in enumerate(set_of(prompt), start=1)}
    job = job_of(ImageRequest(prompt=prompt))
    return [
        views.home(
            [*set_of(prompt), *set_of(prompt), (image_of(prompt), None)] * 3,
            [(job, Queued(3, 1_800_000_000)), (job, Started()), (job, Progress(1, 1, 2, 30))] * 10,
            ENGLISH,
            admin=True,
        ),
        views.home([], [], ENGLISH),
        views.refine_modal(images, ENGLISH, json.dumps({"channel": "C012AB3CD", "ts": "1.2"})),
        views.refine_modal({1: image_of(prompt)}, ENGLISH, ""),
        views.refine_modal({}, ENGLISH, "x" * 3000),
    ]


def parts(value: Any, kind: str) -> Iterator[dict[str, Any]]:
    """All objects of this type, wherever they are."""
    match value:
        case dict():
            if value.get("type") == kind:
                yield value
            yield from parts(list(value.values()), kind)
        case list():
            for one in value:
                yield from parts(one, kind)


def buttons(shown: Shown) -> list[list[str]]:
    """The action_ids, row by row."""
    return [[one["action_id"] for one in row["elements"]] for row in shown.blocks if row["type"] == "actions"]


def test_every_message_is_legal_with_any_prompt() -> None:
    for prompt in prompts(16):
        for shown in all_of(prompt):
            assert breaches(shown.blocks) == [], prompt
            assert 0 < length(shown.text) <= 4000
            json.dumps([shown.text, shown.blocks], ensure_ascii=False).encode()


def test_every_view_is_legal_with_any_prompt() -> None:
    for prompt in prompts(8):
        for view in all_views(prompt):
            assert view_breaches(view) == [], prompt
            json.dumps(view, ensure_ascii=False).encode()


def test_no_prompt_and_no_name_rings_for_anybody() -> None:
    for prompt in prompts(8):
        for shown in [*all_of(prompt), *all_of("a cat", prompt)]:
            assert rings(shown.text, shown.blocks) == [], prompt
            assert breaches(shown.blocks) == [], prompt
        for view in all_views(prompt):
            assert rings("", view["blocks"]) == [], prompt


def test_every_mrkdwn_is_taken_as_it_stands_and_no_plain_text_becomes_an_emoji() -> None:
    for shown in all_of("a cat"):
        for text in parts(shown.blocks, "mrkdwn"):
            assert text["verbatim"] is True
        for text in parts(shown.blocks, "plain_text"):
            assert text["emoji"] is False


def test_a_prompt_changes_nothing_but_itself() -> None:
    for prompt in prompts(20):
        for shown, plain_one in zip(all_of(prompt)[:7], all_of("a cat")[:7], strict=True):
            assert [block["type"] for block in shown.blocks] == [block["type"] for block in plain_one.blocks]
            assert len(shown.text.splitlines()) <= len(plain_one.text.splitlines())


def test_a_prompt_is_shown_as_it_was_written_in_rich_text() -> None:
    prompt = "<!channel> & *bold* :cat: @ada"
    ((words,),) = [
        [text["text"] for text in parts(block, "text")]
        for block in render.restarting(job_of(ImageRequest(prompt=prompt)), ENGLISH, ADA).blocks
        if block["type"] == "rich_text"
    ]
    assert words == prompt


def test_nothing_in_a_quotation_formats_mentions_or_links() -> None:
    for prompt in prompts(150):
        text = quoted(prompt, 2000)
        assert not re.search(r"[<>*~`]|(?<![^\W_])_|_(?![^\W_])", text), text
        assert not re.search(r"&(?!(amp|lt|gt);)", text), text
        assert not re.match(r">|&gt;", text), text
        assert not re.search(r"@\w|://|:[^\s:\u200b]+:", text), text
        assert text == " ".join(text.split())


def test_what_has_no_effect_stays_as_it_is() -> None:
    prompt = (
        "Portrait of a cat, 35mm, best-quality (hat:1.3), it's 50% gray #1 snake_case; Stra\u00dfe \u732b \U0001f408"
    )
    assert quoted(prompt, 2000) == prompt
    assert plain("<a> & *b*", 100) == "<a> & *b*"


def test_cutting_leaves_no_half_of_anything() -> None:
    for prompt in prompts(100):
        for cut, whole in ((quoted, quoted(prompt, 10**6)), (plain, plain(prompt, 10**6))):
            for limit in (1, 2, 3, 7, 50, 199, 200):
                text = cut(prompt, limit)
                assert length(text) <= limit
                if text != whole:
                    assert text.endswith("…")
                    assert not text[:-1].endswith(" ")
                    assert whole.startswith(text[:-1])
                    assert cut is plain or not re.search(r"&[a-z]*…", text)


def test_towers_of_marks_are_lowered_and_nothing_turns_the_direction() -> None:
    assert plain("e" + "\u0301" * 30 + "x", 100) == "e" + "\u0301" * MARKS_MAX + "x"
    assert not TURNS & set(quoted("a\u202eb\u2066c\u2069", 100))


def test_plain_text_is_never_empty() -> None:
    assert plain("\u202e \x00", 100) == "…"


def test_code_cannot_be_left() -> None:
    assert code("a`b\n<!here>") == "`a'b &lt;!here&gt;`"
    assert code("\n") == "` `"


def test_lines_that_do_not_fit_are_left_out_whole() -> None:
    assert fitting(["12345", "123456", "12"], 9) == ["12345", "12"]


def test_a_time_is_the_readers_own() -> None:
    assert when(1_800_000_000) == "<!date^1800000000^{time}|08:00 UTC>"


def test_the_first_in_line_is_told_so_with_the_time() -> None:
    shown = render.waiting(CAT, Queued(1, 1_800_000_000), ENGLISH, ADA)
    assert spoken(shown.blocks) == [
        "a cat in a hat",
        "Next in line · expected at <!date^1800000000^{time}|08:00 UTC>",
        "for Ada",
    ]
    assert shown.text == "Next in line · expected at <!date^1800000000^{time}|08:00 UTC>\na cat in a hat"


def test_a_place_in_line_is_told_without_a_time_where_none_is_known() -> None:
    assert spoken(render.waiting(CAT, Queued(4), ENGLISH, ADA).blocks)[1] == "Place 4 in line"


@pytest.mark.parametrize(
    "shown",
    [
        render.waiting(CAT, Queued(1), ENGLISH, ADA),
        render.painting(CAT, Started(), ENGLISH, ADA),
        render.painting(CAT, Progress(1, 1, 3, 30), ENGLISH, ADA),
        render.restarting(CAT, ENGLISH, ADA),
    ],
)
def test_a_job_can_be_cancelled_until_it_is_over(shown: Shown) -> None:
    (button,) = parts(shown.blocks, "button")
    assert (button["action_id"], button["value"]) == ("limner:cancel", JOB_ID)


def test_progress_is_told_in_steps_and_names_the_image_of_a_set() -> None:
    assert "▰▰▰▰▱▱▱▱▱▱▱▱ Step 10 of 30" in spoken(render.painting(CAT, Progress(1, 1, 10, 30), ENGLISH, ADA).blocks)
    told = spoken(render.painting(CAT, Progress(2, 4, 45, 120), ENGLISH, ADA).blocks)[1]
    assert told.endswith("Step 45 of 120 · image 2 of 4")


def test_the_bar_is_empty_at_first_and_full_at_last() -> None:
    assert "▱" * 12 in render.painting(CAT, Progress(1, 1, 0, 30), ENGLISH, ADA).text
    assert "▰" * 12 in render.painting(CAT, Progress(1, 1, 30, 30), ENGLISH, ADA).text


def test_a_finished_image_has_its_picture_details_and_buttons() -> None:
    shown = render.finished(CAT, [(CAT_IMAGE, FILE)], ENGLISH, 12.34, name=ADA)
    (picture,) = parts(shown.blocks, "image")
    assert picture["slack_file"] == {"id": FILE}
    assert picture["alt_text"] == "a cat in a hat (painted by a machine)"
    assert picture["title"]["text"] == f"Seed {LARGEST_SEED - 1}"
    assert f"seed {LARGEST_SEED - 1} · 1216 \u00d7 832 · 30 steps · 12.3 s · for Ada" in spoken(shown.blocks)
    assert buttons(shown) == [[f"limner:{name}" for name in ("refine", "vary", "again", "recipe", "delete", "report")]]
    assert {one["value"] for one in parts(shown.blocks, "button")} == {CAT_IMAGE.id}
    assert shown.text == "Painted for Ada\na cat in a hat"


def test_the_important_and_the_dangerous_button_look_so() -> None:
    shown = render.finished(CAT, [(CAT_IMAGE, FILE)], ENGLISH, 1.0, name=ADA)
    styles = {one["action_id"]: one["style"] for one in parts(shown.blocks, "button") if "style" in one}
    assert styles == {"limner:refine": "primary", "limner:delete": "danger"}


def test_quality_and_style_are_told_where_they_were_chosen() -> None:
    chosen = job_of(ImageRequest(prompt="a cat", num_inference_steps=14, quality=Quality.DRAFT, style="in_k*"))
    told = spoken(render.finished(chosen, [(CAT_IMAGE, FILE)], ENGLISH, 2.0, name=ADA).blocks)
    assert any("14 steps · draft · style: in_k* · 2.0 s" in line for line in told)


def test_a_refined_image_says_from_which_and_how_strongly() -> None:
    refined = job_of(Refinement(image_id=CAT_IMAGE.id, prompt="warmer light", strength=0.4))
    told = spoken(render.finished(refined, [(image_of("warmer light"), FILE)], ENGLISH, 75.0, name=ADA).blocks)
    assert any("1 min 15 s" in line for line in told)
    assert "refined from `0c6f1a2b`, strength 0.4" in told


def test_below_each_image_of_a_set_are_its_own_buttons() -> None:
    shown = render.finished(FOUR_CATS, set_of("a cat"), ENGLISH, 1.0, name=ADA)
    kinds = [block["type"] for block in shown.blocks]
    assert kinds == ["rich_text", *["image", "actions"] * 4, "context", "actions"]
    *each, whole = [list(parts(block, "button")) for block in shown.blocks if block["type"] == "actions"]
    for number, row in enumerate(each, start=1):
        assert [one["action_id"] for one in row] == [f"limner:{name}:{number}" for name in ("refine", "vary", "delete")]
        assert {one["value"] for one in row} == {IMAGE_IDS[number - 1]}
        assert row[0]["text"]["text"] == f"Refine {number}"
    assert [one["action_id"] for one in whole] == ["limner:again", "limner:recipe", "limner:report"]


def test_no_two_buttons_of_a_message_have_the_same_action_id() -> None:
    for shown in all_of("a cat"):
        ids = [one["action_id"] for one in parts(shown.blocks, "button")]
        assert len(set(ids)) == len(ids)


def test_a_set_keeps_its_numbers_when_images_are_deleted() -> None:
    shown = render.finished(FOUR_CATS, set_of("a cat")[2:3], ENGLISH, 1.0, name=ADA)
    assert buttons(shown)[0] == ["limner:refine:3", "limner:vary:3", "limner:delete:3"]
    (picture,) = parts(shown.blocks, "image")
    assert picture["alt_text"].startswith("Image 3: ")
    assert picture["title"]["text"] == f"Image 3 · seed {LARGEST_SEED - 3}"


def test_a_set_shows_its_first_and_last_seed() -> None:
    told = spoken(render.finished(FOUR_CATS, set_of("a cat"), ENGLISH, 1.0, name=ADA).blocks)
    assert any(f"seeds {LARGEST_SEED - 1} to {LARGEST_SEED - 4} ·" in line for line in told)


def test_an_image_that_slack_did_not_take_has_its_buttons_and_a_note() -> None:
    note = ENGLISH.say("link", link="https://a.example/x")
    shown = render.finished(CAT, [(CAT_IMAGE, None)], ENGLISH, 1.0, [note], name=ADA)
    assert list(parts(shown.blocks, "image")) == []
    assert "The image could not be shown here: <https://a.example/x|download it>" in spoken(shown.blocks)
    assert len(buttons(shown)[0]) == 6


def test_a_job_without_images_left_is_still_told() -> None:
    shown = render.finished(CAT, [], ENGLISH, 1.0, name=ADA)
    assert any("30 steps" in line for line in spoken(shown.blocks))
    assert buttons(shown) == []


def test_what_failed_or_was_cancelled_says_why_and_can_be_tried_again() -> None:
    failed = render.failed(CAT, Failure("image_gone", "…"), ENGLISH, ADA)
    assert "This could not be painted. The image to refine was deleted in the meantime." in spoken(failed.blocks)
    cancelled = render.cancelled(CAT, ENGLISH, ADA)
    assert "Cancelled." in spoken(cancelled.blocks)
    for shown in (failed, cancelled):
        (button,) = parts(shown.blocks, "button")
        assert (button["action_id"], button["value"]) == ("limner:retry", JOB_ID)


def test_who_else_cancelled_a_job_is_named() -> None:
    assert "Cancelled by Eve \u2217." in spoken(render.cancelled(CAT, ENGLISH, ADA, by="Eve *").blocks)


def test_alt_texts_fit_and_say_that_a_machine_painted() -> None:
    for prompt in prompts(20):
        for thing in (job_of(ImageRequest(prompt=prompt)), image_of(prompt)):
            for number in (None, 4):
                for limit in (2000, 1000):
                    text = render.alt_text(thing, number, ENGLISH, limit)
                    assert length(text) <= limit
                    assert text.endswith("(painted by a machine)")
    assert render.alt_text(CAT_IMAGE, 2, ENGLISH) == "Image 2: a cat in a hat (painted by a machine)"


def test_a_picture_that_somebody_brought_has_an_alt_text_and_a_title_too() -> None:
    brought = replace(CAT_IMAGE, recipe=None)
    assert render.alt_text(brought, None, ENGLISH) == "A picture that somebody brought"
    assert render.title(brought, None, ENGLISH) == "A picture that somebody brought"


def test_a_question_is_answered_by_one_of_two_buttons() -> None:
    shown = render.confirmation(ENGLISH.say("confirm.delete"), "delete", CAT_IMAGE.id, ENGLISH)
    assert buttons(shown) == [["limner:confirm_delete", "limner:keep"]]
    assert {one["value"] for one in parts(shown.blocks, "button")} == {CAT_IMAGE.id}
    assert breaches(shown.blocks) == []
    forget = render.confirmation(ENGLISH.say("confirm.forget", images=3, jobs=4), "forget", "me", ENGLISH)
    assert breaches(forget.blocks) == []


def test_a_button_has_a_label_that_fits() -> None:
    assert length(Button("refine", "x", "*" * 100).element()["text"]["text"]) == 75


def test_a_section_that_nothing_fits_into_is_not_empty() -> None:
    assert breaches([blocks.section(["x" * 4000])]) == []


# Longer answers.


def test_a_recipe_has_everything_that_the_index_has() -> None:
    shown = reports.recipe(image_of("a <cat>", negative_prompt="blur_ry"), ENGLISH)
    told = "\n".join(spoken(shown.blocks))
    for part in (
        "*Recipe*\na <cat>\nWithout:\nblur_ry\n",
        "1216 \u00d7 832",
        "Steps: 50 · guidance: 5.5 · sampler: `euler`",
        "Model: `stabilityai/stable-diffusion-xl-base-1.0`",
        "Refiner: `stabilityai/stable-diffusion-xl-refiner-1.0`, for the last 20% of the noise",
        "LoRAs: `ink.safetensors` \u00d7 0.8",
        "Painted on: NVIDIA H100, float16",
        "Versions: diffusers 0.42.1",
    ):
        assert part in told
    assert shown.text == f"Recipe of image `{CAT_IMAGE.id}`"


def test_a_recipe_shows_the_longest_prompts_whole_and_always_has_its_id() -> None:
    long = "a" * 2000
    told = "\n".join(spoken(reports.recipe(image_of(long, negative_prompt=long), ENGLISH).blocks))
    assert told.count(long) == 2
    for prompt in prompts(10):
        assert f"`{CAT_IMAGE.id}`" in "\n".join(spoken(reports.recipe(image_of(prompt), ENGLISH).blocks))


def test_the_recipe_of_a_set_tells_seed_and_id_of_each() -> None:
    images = {number: image for number, (image, _) in enumerate(set_of("a cat"), start=1)}
    told = "\n".join(spoken(reports.recipe(images[1], ENGLISH, images).blocks)).splitlines()
    for number, image in images.items():
        assert f"Image {number}: seed {LARGEST_SEED - number}, ID `{image.id}`" in told
    assert not any(line.startswith("Seed:") for line in told)


def test_a_refinements_recipe_names_its_parent_in_full() -> None:
    assert CAT_IMAGE.recipe is not None
    refined = replace(CAT_IMAGE, recipe=replace(CAT_IMAGE.recipe, parent_id=JOB_ID, strength=0.4))
    assert f"Refined from: `{JOB_ID}`, strength 0.4" in "\n".join(spoken(reports.recipe(refined, ENGLISH).blocks))


def test_a_recipe_with_endless_facts_is_legal_too() -> None:
    assert CAT_IMAGE.recipe is not None
    endless = replace(
        CAT_IMAGE.recipe,
        prompt="*" * 3000,
        negative_prompt="&" * 3000,
        model="m" * 3000,
        loras={str(number) * 50: 0.5 for number in range(50)},
        versions={str(number): "1.0" for number in range(500)},
    )
    shown = reports.recipe(replace(CAT_IMAGE, recipe=endless), ENGLISH)
    assert breaches(shown.blocks) == []
    assert CAT_IMAGE.id in "\n".join(spoken(shown.blocks))


def test_a_picture_that_somebody_brought_has_an_id_but_no_recipe() -> None:
    told = "\n".join(spoken(reports.recipe(replace(CAT_IMAGE, recipe=None), ENGLISH).blocks))
    assert "no recipe" in told
    assert CAT_IMAGE.id in told


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
    detail="The worker *stopped* <!here>.",
)
QUIET = Lately(seconds=[], failures={})


def status_of(*jobs: Job, workers: Sequence[WorkerStatus] = (WORKER,), stopping: bool = False) -> Status:
    running = [Running(job, Progress(1, 1, 12, 30)) for job in jobs]
    counts = dict.fromkeys(JobStatus, 0)
    return Status(queued=3, running=running, counts=counts, workers=workers, stopping=stopping)


def report(now: Status, lately: Lately = QUIET, **more: Any) -> str:
    shown = reports.status(now, lately, "0.1.0", ENGLISH, SPACE, **more)
    assert breaches(shown.blocks) == []
    assert rings(shown.text, shown.blocks) == []
    return "\n".join(spoken(shown.blocks))


def test_the_status_names_people_of_this_space_only() -> None:
    elsewhere = replace(CAT, space="slack:T9", requester="slack:U777")
    text = report(status_of(CAT, elsewhere), names={REQUESTER: "Ada <x>", "slack:U777": "Eve"})
    assert "• for Ada &lt;x&gt; · Step 12 of 30" in text
    assert "• elsewhere · Step 12 of 30" in text
    assert "Eve" not in text
    assert "777" not in text
    assert "• for U012AB3CD · " in report(status_of(CAT))


def test_the_status_does_not_tell_who_paints_privately_nor_what_anybody_paints() -> None:
    text = report(status_of(replace(CAT, audience="")), names={REQUESTER: ADA})
    assert "• for somebody here, privately · Step 12 of 30" in text
    assert ADA not in text
    assert "cat" not in text


def test_the_status_tells_how_each_worker_is() -> None:
    text = report(status_of(), libraries={"slack-bolt": "1.30.0"})
    for part in (
        "*Limner 0.1.0* is ready.",
        "Waiting: 3 · being painted: 0",
        "• `local` busy · model `stabilityai/sdxl` · refiner `stabilityai/sdxl-refiner` · NVIDIA H100 float16",
        "12.3 of 84.9 GB in use · 2 restarts",
        "   full, up to 8 pictures per step",
        "   The worker \u2217stopped\u2217 &lt;!here&gt;.",
        "Versions: slack-bolt 1.30.0",
    ):
        assert part in text


def test_the_status_tells_of_the_last_hour() -> None:
    lately = Lately(seconds=[1.0, 2.0, 3.5, 4.0, 90.0], failures={"worker_died": 1, "out_of_memory": 2})
    text = report(status_of(), lately)
    assert "• 5 picture requests done; half within 3.5 s, 95% within 1 min 30 s" in text
    assert "• failed: 2 \u00d7 `out_of_memory`, 1 \u00d7 `worker_died`" in text
    assert "nothing was painted" in report(status_of())


@pytest.mark.parametrize("state", WorkerState)
def test_every_state_of_a_worker_has_words(state: WorkerState) -> None:
    assert "• `gpu0` " in report(status_of(workers=[WorkerStatus(name="gpu0", state=state)]))


def test_the_status_says_when_limner_is_not_ready_stops_or_cannot_use_its_disk() -> None:
    assert "is not ready yet" in report(status_of(workers=[]))
    assert "is restarting" in report(status_of(stopping=True))
    assert "cannot use its disk" in report(replace(status_of(), trouble=DiskFull("no space")))


def test_the_status_of_a_busy_cluster_fits() -> None:
    workers = [replace(WORKER, name=f"gpu{number}", detail="`*" * 500) for number in range(50)]
    failures = {f"code_{number}": number for number in range(100)}
    text = report(status_of(*[CAT] * 30, workers=workers), Lately([1.0], failures))
    assert "and 22 more" in text
    assert "`gpu0`" in text


def test_about_names_each_model_once() -> None:
    (text,) = spoken(reports.about(status_of(workers=[WORKER, WORKER]), "0.1.0", ENGLISH).blocks)
    assert "Model: `stabilityai/sdxl`\n" in text
    (text,) = spoken(reports.about(status_of(workers=[]), "0.1.0", ENGLISH).blocks)
    assert "Model: not loaded yet\n" in text


def test_help_fits_whole_and_tells_admins_more() -> None:
    for admin in (False, True):
        shown = reports.guide(ENGLISH, admin=admin)
        assert breaches(shown.blocks) == []
        assert rings(shown.text, shown.blocks) == []
        assert "\n\n".join(spoken(shown.blocks)) == shown.text
        assert ("/limner-status" in shown.text) is admin
        assert length(shown.text) <= 4000


# Views.


def test_the_home_tab_shows_my_jobs_my_images_and_help() -> None:
    waiting: list[tuple[Job, Queued | Started | Progress]] = [(CAT, Queued(2))]
    waiting.append((job_of(ImageRequest(prompt="a dog")), Progress(1, 1, 3, 30)))
    view = views.home([(CAT_IMAGE, FILE), (image_of("a fox", 2), None)], waiting, ENGLISH)
    told = spoken(view["blocks"])
    assert view["type"] == "home"
    assert told[told.index("a cat in a hat") + 1 :][:2] == ["Place 2 in line", "a dog"]
    assert "a fox (painted by a machine)" in told
    assert ENGLISH.say("help") in told
    (picture,) = parts(view, "image")
    assert picture["slack_file"] == {"id": FILE}
    ids = [one["action_id"] for one in parts(view, "button")]
    assert ids[:2] == ["limner:cancel:1", "limner:cancel:2"]
    assert ids[2:6] == [f"limner:{name}:1" for name in ("refine", "vary", "recipe", "delete")]
    assert len(set(ids)) == len(ids)


def test_an_empty_home_tab_says_how_to_begin() -> None:
    told = spoken(views.home([], [], ENGLISH)["blocks"])
    assert "Nothing of yours waits." in told
    assert any("/generate" in line for line in told)


def test_a_full_home_tab_says_that_there_is_more() -> None:
    view = views.home([], [(CAT, Queued(place)) for place in range(1, 15)], ENGLISH)
    assert "and 4 more" in spoken(view["blocks"])


def fields(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    assert all(block["block_id"] == block["element"]["action_id"] for block in view["blocks"])
    return {block["block_id"]: block["element"] for block in view["blocks"]}


def test_the_window_begins_with_the_old_words_and_the_usual_strength() -> None:
    view = views.refine_modal({1: CAT_IMAGE}, ENGLISH, "kept")
    told = fields(view)
    assert (view["callback_id"], view["private_metadata"]) == ("limner:refine", "kept")
    assert list(told) == ["prompt", "strength"]
    assert told["prompt"]["initial_value"] == "a cat in a hat"
    assert told["strength"]["initial_value"] == "0.5"


def test_the_window_for_a_set_asks_which_image() -> None:
    images = {number: image for number, (image, _) in enumerate(set_of("a cat"), start=1)}
    which = fields(views.refine_modal(images, ENGLISH, ""))["image"]
    assert [option["value"] for option in which["options"]] == list(IMAGE_IDS)
    assert which["initial_option"] == which["options"][0]


def test_the_window_for_a_picture_of_somebodys_own_begins_without_words() -> None:
    view = views.refine_modal({}, ENGLISH, "")
    assert view["title"]["text"] == "Refine this picture"
    assert "initial_value" not in fields(view)["prompt"]
