"""What is made from an image or a job that there is, who may use it where, and how an image is sent."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bot.errors import AgeRestricted, ImageFileLost, JobFailed, NotFound
from bot.jobs import ImageRequest, Quality, Refinement, Sampler
from bot.policy import Asker
from bot.quality import Menu
from bot.settings import StyleSetting
from tests.bot.asking import ADMIN, ANN, BOB, ELSEWHERE, EVE, MODERATOR, NO_IDS, ask, hear_all, paint, painted, refine
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor, png


async def test_the_request_that_made_an_image_is_asked_again_with_another_seed(limner: OpenLimner) -> None:
    wanted = ImageRequest(
        prompt="a (cat:1.3)", negative_prompt="", width=128, num_inference_steps=3, guidance_scale=2.0, num_images=2
    )
    async with limner() as service:
        first = await service.generate(replace(wanted, seed=7), ANN)
        images = await painted(service, first)
        second = await service.again(images[1].id, BOB, "where to answer")
        third = await service.again((await painted(service, second, BOB))[0].id, ANN)

    seeds = [job.request.seed for job in (first, second, third)]
    assert len(set(seeds)) == 3
    assert {replace(job.request, seed=None) for job in (first, second, third)} == {Menu().filled_in(wanted)}
    assert (second.requester, second.origin) == (BOB.requester, "where to answer")


async def test_what_a_job_asked_for_is_repeated_whatever_became_of_it(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service:
        executor.fail_next(JobFailed("out_of_memory", "Try a smaller size."))
        failed = await ask(service, seed=7)
        await hear_all(service, failed)
        executor.hold()
        cancelled = await service.repeat(failed.id, BOB, "where to answer")
        await service.cancel(cancelled.id, BOB)
        executor.release()
        repeated = await service.repeat(cancelled.id, ANN)
        await painted(service, repeated)
        for stranger in (EVE, replace(ADMIN, space=ELSEWHERE)):
            with pytest.raises(NotFound):
                await service.repeat(failed.id, stranger)

    assert (cancelled.requester, cancelled.origin) == (BOB.requester, "where to answer")
    assert len({job.request.seed for job in (failed, cancelled, repeated)}) == 3
    assert len({replace(job.request, seed=None) for job in (failed, cancelled, repeated)}) == 1


async def test_what_was_asked_for_among_adults_is_not_repeated_elsewhere(limner: OpenLimner) -> None:
    among_adults = replace(ANN, age_restricted=True)
    async with limner(FakeExecutor(ready=False)) as service:
        job = await ask(service, among_adults)
        with pytest.raises(AgeRestricted):
            await service.repeat(job.id, ANN)
        assert (await service.repeat(job.id, among_adults)).age_restricted


async def test_a_refinement_is_asked_again_of_the_same_parent(limner: OpenLimner) -> None:
    async with limner() as service:
        parent = await paint(service)
        first = await refine(service, parent.id)
        (child,) = await painted(service, first)
        second = await service.again(child.id, ANN)
        (sibling,) = await painted(service, second)

        assert await service.children(parent, ANN) == [child.id, sibling.id]

    assert second.request == replace(first.request, seed=second.request.seed)


async def test_a_refinement_whose_parent_is_gone_cannot_be_asked_again(limner: OpenLimner) -> None:
    async with limner() as service:
        parent = await paint(service)
        (child,) = await painted(service, await refine(service, parent.id))
        await service.delete(parent.id, ANN)
        with pytest.raises(NotFound, match="parent"):
            await service.again(child.id, ANN)


@pytest.mark.parametrize("steps", [None, 5])
async def test_a_draft_that_is_asked_again_takes_the_lora_for_few_steps_again(
    limner: OpenLimner, steps: int | None
) -> None:
    """Its sampler belongs to the LoRA. Without the LoRA it would paint mud."""
    async with limner(draft="lcm") as service:
        draft = await service.generate(
            ImageRequest(prompt="a cat", quality=Quality.DRAFT, num_inference_steps=steps), ANN
        )
        (image,) = await painted(service, draft)
        again = await service.again(image.id, ANN)

    assert draft.request.few_steps == "lcm"
    assert again.request == replace(draft.request, seed=again.request.seed)


@pytest.mark.parametrize("draft", [None, "lightning"])
async def test_a_draft_that_is_asked_again_after_its_lora_was_changed_is_a_draft_as_they_are_now(
    limner: OpenLimner, draft: str | None
) -> None:
    request = ImageRequest(prompt="a cat", quality=Quality.DRAFT)
    async with limner(draft="lcm") as service:
        (image,) = await painted(service, await service.generate(request, ANN))
    async with limner(draft=draft) as service:
        again = await service.again(image.id, ANN)
        plain = await service.generate(request, ANN)

    assert again.request == replace(plain.request, seed=again.request.seed)


async def test_a_sampler_that_somebody_chose_stays_theirs_when_it_is_asked_again(limner: OpenLimner) -> None:
    request = ImageRequest(prompt="a cat", quality=Quality.DRAFT, sampler=Sampler.LCM, num_inference_steps=8)
    async with limner(draft="lcm") as service:
        (image,) = await painted(service, await service.generate(request, ANN))
        again = await service.again(image.id, ANN)

    assert (again.request.sampler, again.request.few_steps) == (Sampler.LCM, None)


async def test_an_image_is_varied_from_its_own_words_and_style(limner: OpenLimner) -> None:
    style = StyleSetting(name="ink", lora="ink.safetensors", trigger="ink drawing")
    async with limner(styles=(style,)) as service:
        job = await service.generate(ImageRequest(prompt="a cat", negative_prompt="a dog", style="ink"), ANN)
        (image,) = await painted(service, job)
        varied = await service.vary(image.id, BOB, "where to answer")

    assert isinstance(varied.request, Refinement)
    assert varied.request.image_id == image.id
    assert (varied.request.prompt, varied.request.negative_prompt) == ("a cat", "a dog")
    assert varied.request.style == "ink"
    assert 0.5 < varied.request.strength < 1
    assert (varied.requester, varied.origin) == (BOB.requester, "where to answer")


async def test_a_varied_image_may_be_varied_and_asked_again(limner: OpenLimner) -> None:
    async with limner() as service:
        image = await paint(service)
        (varied,) = await painted(service, await service.vary(image.id, ANN))
        (twice,) = await painted(service, await service.vary(varied.id, ANN))
        (again,) = await painted(service, await service.again(varied.id, ANN))

    assert (varied.parent_id, twice.parent_id, again.parent_id) == (image.id, varied.id, image.id)
    assert {found.recipe.prompt for found in (image, varied, twice, again) if found.recipe} == {"a cat"}


async def test_a_picture_that_somebody_brought_was_asked_for_by_nobody(limner: OpenLimner) -> None:
    async with limner() as service:
        brought = await service.bring(png(), ANN)
        for make in (service.again, service.vary):
            with pytest.raises(NotFound):
                await make(brought.id, ANN)


async def test_what_was_made_among_adults_is_not_there_for_strangers_and_closed_to_its_owner_elsewhere(
    limner: OpenLimner,
) -> None:
    among_adults = replace(ANN, age_restricted=True)
    async with limner() as service:
        image = await paint(service, among_adults)
        uses: list[Callable[[Asker], Awaitable[object]]] = [
            lambda asker: service.image(image.id, asker),
            lambda asker: refine(service, image.id, asker),
            lambda asker: service.again(image.id, asker),
            lambda asker: service.vary(image.id, asker),
            lambda asker: service.newest_images(asker, 10, image.id),
        ]
        for use in uses:
            for asker, refused in ((ANN, AgeRestricted), (BOB, NotFound), (EVE, NotFound), (ADMIN, NotFound)):
                with pytest.raises(refused):
                    await use(asker)
            await use(among_adults)
            await use(replace(BOB, age_restricted=True))

        assert image.age_restricted
        assert await service.own_images(ANN, 10) == []
        assert image in await service.own_images(among_adults, 10)


async def test_what_is_made_in_private_is_its_requesters_alone(limner: OpenLimner) -> None:
    private = replace(ANN, private=True)
    async with limner() as service:
        job = await ask(service, private)
        (image,) = await painted(service, job)
        brought = await service.bring(png(), private)

        for asker in (BOB, ADMIN, MODERATOR, replace(BOB, private=True)):
            for found in (image, brought):
                with pytest.raises(NotFound):
                    await service.image(found.id, asker)
            for look_up in (service.job, service.cancel):
                with pytest.raises(NotFound):
                    await look_up(job.id, asker)
        assert await service.newest_images(BOB, 10) == []
        assert await service.image(image.id, replace(ANN, space=ELSEWHERE)) == image
        assert await service.own_images(ANN, 10) == [brought, image]


async def test_what_is_made_in_a_closed_place_stays_there_but_for_its_requester(limner: OpenLimner) -> None:
    ann_there, bob_there = [replace(asker, place="attic", closed_to="test:studio/attic") for asker in (ANN, BOB)]
    async with limner() as service:
        image = await paint(service, ann_there)

        assert await service.image(image.id, bob_there) == image
        with pytest.raises(NotFound):
            await service.image(image.id, replace(BOB, place="attic"))
        assert await service.newest_images(BOB, 10) == []
        (child,) = await painted(service, await refine(service, image.id, ANN))
        assert await service.image(child.id, BOB) == child, "its requester took it outside"


async def test_own_images_are_the_newest_of_the_asker_from_everywhere(limner: OpenLimner) -> None:
    async with limner() as service:
        first = await paint(service)
        await paint(service, BOB)
        second = await service.bring(png(), replace(ANN, space=ELSEWHERE))
        third = await paint(service, replace(ANN, closed_to="test:studio/attic"))

        assert await service.own_images(replace(ANN, space="test:third"), 10) == [third, second, first]
        assert await service.own_images(ANN, 2) == [third, second]
        assert await service.own_images(EVE, 10) == []


async def test_a_link_leads_to_its_image_without_an_asker(limner: OpenLimner) -> None:
    async with limner(public_url="https://limner.example/paints/") as service:
        image = await paint(service, replace(ANN, private=True))
        link = service.link(image)
        assert link is not None
        address, _, proof = link.partition("?proof=")

        assert address == f"https://limner.example/paints/download/{image.id}"
        assert await service.linked(image.id, proof) == image
        assert await service.linked(image.id.upper(), proof) == image

        other = await paint(service)
        for image_id in (other.id, str(uuid.UUID(int=7)), *NO_IDS):
            with pytest.raises(NotFound):
                await service.linked(image_id, proof)
        for wrong in ("", proof[:-1], proof + "=", proof.swapcase(), "\ud800"):
            with pytest.raises(NotFound):
                await service.linked(image.id, wrong)
        await service.delete(image.id, ANN)
        with pytest.raises(NotFound):
            await service.linked(image.id, proof)


async def test_a_link_still_leads_there_after_a_restart(limner: OpenLimner) -> None:
    async with limner(public_url="https://limner.example") as service:
        image = await paint(service)
        link = service.link(image)
    async with limner(public_url="http://elsewhere.example:8000") as service:
        assert link is not None
        assert await service.linked(image.id, link.partition("?proof=")[2]) == image
        assert (service.link(image) or "").startswith("http://elsewhere.example:8000/download/")


async def test_without_a_public_address_there_are_no_links(limner: OpenLimner) -> None:
    async with limner() as service:
        assert service.link(await paint(service)) is None


async def test_an_image_is_sent_as_it_is_where_that_is_small_enough(limner: OpenLimner) -> None:
    async with limner() as service:
        image = await paint(service)
        whole = await service.encoded(image, image.size)
        smaller = await service.encoded(image, image.size - 1)

        assert whole is not None
        assert (whole.bytes, whole.suffix) == (service.file(image).read_bytes(), "png")
        assert smaller is None or len(smaller.bytes) < image.size
        assert await service.encoded(image, 10) is None


async def test_an_image_whose_file_is_lost_cannot_be_sent(limner: OpenLimner) -> None:
    async with limner() as service:
        image = await paint(service)
        service.file(image).unlink()
        with pytest.raises(ImageFileLost):
            await service.encoded(image, 10**6)
        with pytest.raises(ImageFileLost):
            service.file(image)
