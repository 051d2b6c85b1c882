"""What becomes of flagged images, reports and decisions, by the service and the real stores, whoever asks."""

import csv
import io
import json
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.decisions import Act, Cause
from bot.errors import AlreadyDecided, Forbidden, ImageHeld, NobodyHears, NotFound, WordsRefused
from bot.events import Done
from bot.export import table
from bot.jobs import Image, ImageRequest, Job, Refinement, Treatment
from bot.policy import Asker, Rules, treatment_for
from bot.service import Service
from tests.bot.asking import ADMIN, ANN, BOB, EVE, MODERATOR, ask, hear_all, message, paint, painted, refine
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor, png

ImageFiles = Callable[[], set[str]]

CAREFUL = replace(ANN, treatment=Treatment.REFUSE)


def flagging(*numbers: int) -> FakeExecutor:
    executor = FakeExecutor()
    executor.flag(*numbers or (1,))
    return executor


async def decide(service: Service, **rules: object) -> Rules:
    return await service.change_rules(ADMIN, lambda found: replace(found, **rules))  # type: ignore[arg-type]


async def hold(service: Service) -> None:
    await decide(service, reports_to="office", treatment=Treatment.HOLD)


async def held(service: Service, asker: Asker = ANN, origin: str = "there") -> tuple[Job, Image]:
    """A job whose only image is held."""
    job = await ask(service, asker, origin=origin)
    (image,) = await painted(service, job, asker)
    assert image.held
    return job, image


@pytest.mark.parametrize(
    ("rules", "asker", "treatment"),
    [
        (Rules(), ANN, Treatment.ALLOW),
        (Rules(), CAREFUL, Treatment.REFUSE),
        (Rules(treatment=Treatment.SPOILER), CAREFUL, Treatment.SPOILER),
        (Rules(treatments={"here": Treatment.ALLOW}), replace(CAREFUL, place="here"), Treatment.ALLOW),
        (Rules(treatments={"here": Treatment.ALLOW}), replace(CAREFUL, place="there"), Treatment.REFUSE),
        (
            Rules(treatment=Treatment.ALLOW, treatments={"here": Treatment.REFUSE}),
            replace(ANN, place="here"),
            Treatment.REFUSE,
        ),
        (Rules(treatment=Treatment.HOLD, reports_to="office"), ANN, Treatment.HOLD),
        (Rules(treatment=Treatment.HOLD), ANN, Treatment.REFUSE),
    ],
)
def test_the_place_comes_before_the_space_and_both_before_the_usual(
    rules: Rules, asker: Asker, treatment: Treatment
) -> None:
    assert treatment_for(rules, asker) is treatment


async def test_a_flagged_image_is_kept_with_that_and_one_that_is_not_with_that(limner: OpenLimner) -> None:
    async with limner(flagging(2)) as service:
        images = await painted(service, await ask(service, images=2))
        assert [image.flagged for image in images] == [False, True]
        assert [(await service.image(image.id, ANN)).flagged for image in images] == [False, True]
    async with limner() as service:
        assert (await paint(service)).flagged is None


async def test_where_flagged_images_are_refused_no_file_is_kept(limner: OpenLimner, image_files: ImageFiles) -> None:
    async with limner(flagging(1, 3)) as service:
        job = await ask(service, CAREFUL, images=3)
        ending = (await hear_all(service, job))[-1]

        assert isinstance(ending, Done)
        assert ([image.id for image in ending.images], ending.refused) == ([job.image_ids[1]], 2)
        assert (await hear_all(service, job))[-1] == ending
        assert [Path(file).stem for file in image_files()] == [job.image_ids[1]]
        assert (await service.job(job.id, ANN)).refused == 2
        record = await service.moderation.record(ADMIN)
        assert [(entry.act, entry.about, entry.detail) for entry in record] == [
            (Act.FLAGGED, ANN.requester, "refuse")
        ] * 2


async def test_what_held_when_it_was_accepted_holds(limner: OpenLimner) -> None:
    executor = flagging()
    executor.hold()
    async with limner(executor) as service:
        job = await ask(service, CAREFUL)
        await decide(service, treatment=Treatment.ALLOW)
        executor.release()

        assert await painted(service, job) == ()


async def test_a_held_image_is_there_for_nobody_but_moderators(limner: OpenLimner) -> None:
    async with limner(flagging()) as service:
        await hold(service)
        job, image = await held(service)

        for asker, refusal in ((ANN, ImageHeld), (MODERATOR, ImageHeld), (BOB, NotFound), (EVE, NotFound)):
            with pytest.raises(refusal):
                await service.image(image.id, asker)
            with pytest.raises(refusal):
                await refine(service, image.id, asker)
        assert await service.images_of(job) == []
        assert await service.held_of(job) == 1
        assert await service.own_images(ANN, 10) == []
        assert await service.newest_images(BOB, 10) == []
        assert (await service.history(ANN, 10)).images[job.id] == []
        assert service.link(image) is None
        _, export = await service.export(ANN, 2**20)
        with zipfile.ZipFile(io.BytesIO(export.zip)) as archive:
            assert (archive.namelist(), export.complete) == (["limner.json"], True)


async def test_a_held_image_is_told_to_moderators_once(limner: OpenLimner) -> None:
    async with limner(flagging()) as service:
        await hold(service)
        _, image = await held(service)
        ((report, found, place),) = await service.moderation.owed("test")

        assert (report.cause, report.reporter, place, found.id) == (Cause.HELD, "", "office", image.id)
        assert await service.moderation.told(image.id, message(channel="office"))
        assert not await service.moderation.told(image.id, message(channel="office"))
        assert await service.moderation.owed("test") == []
        assert await service.shown_by("test", "office", "1") == [image.id]


async def test_approved_it_is_owed_again_and_everybodys_to_see(limner: OpenLimner) -> None:
    async with limner(flagging()) as service:
        await hold(service)
        job, image = await held(service)
        await service.delivered(job.id, {})
        assert await service.undelivered("test") == []

        judged = await service.moderation.approve(image.id, MODERATOR)
        assert judged.job is not None
        assert judged.job.id == job.id
        assert [owed.job.id for owed in await service.undelivered("test")] == [job.id]
        assert [each.id for each in await service.newest_images(BOB, 10)] == [image.id]
        ending = (await hear_all(service, job))[-1]
        assert isinstance(ending, Done)
        assert [each.held for each in ending.images] == [False]


async def test_refused_it_is_gone_with_its_file_and_the_job_says_so(
    limner: OpenLimner, image_files: ImageFiles
) -> None:
    async with limner(flagging()) as service:
        await hold(service)
        job, image = await held(service)
        await service.delivered(job.id, {})
        await service.moderation.told(image.id, message(channel="office"))

        judged = await service.moderation.refuse(image.id, MODERATOR)
        assert [each.channel for each in judged.messages] == ["office"]
        assert [owed.job.id for owed in await service.undelivered("test")] == [job.id]
        assert (await hear_all(service, job))[-1] == Done((), removed=1)
        assert image_files() == set()
        with pytest.raises(NotFound):
            await service.moderation.approve(image.id, MODERATOR)


async def test_blocking_takes_nothing_more_from_who_made_it(limner: OpenLimner) -> None:
    async with limner(flagging()) as service:
        await hold(service)
        _, image = await held(service)
        await service.moderation.refuse(image.id, MODERATOR, block=True)

        with pytest.raises(Exception, match="blocked"):
            await ask(service)
        acts = [entry.act for entry in await service.moderation.record(ADMIN)]
        assert acts[:3] == [Act.BLOCKED, Act.REFUSED, Act.FLAGGED]


async def test_only_moderators_of_the_space_decide_and_only_once(limner: OpenLimner) -> None:
    elsewhere = replace(MODERATOR, space=EVE.space)
    async with limner(flagging()) as service:
        await hold(service)
        _, image = await held(service)
        for asker, refusal in ((ANN, Forbidden), (BOB, Forbidden), (elsewhere, NotFound)):
            for decide in (service.moderation.approve, service.moderation.refuse):
                with pytest.raises(refusal):
                    await decide(image.id, asker)
        await service.moderation.approve(image.id, MODERATOR)
        for decide in (service.moderation.approve, service.moderation.refuse):
            with pytest.raises(AlreadyDecided):
                await decide(image.id, ADMIN)
        assert (await service.image(image.id, ANN)).held is False


async def test_a_moderator_decides_on_what_a_closed_place_made_too(limner: OpenLimner) -> None:
    asker = replace(ANN, closed_to="test:studio/cellar")
    async with limner(flagging()) as service:
        await hold(service)
        _, image = await held(service, asker)

        await service.moderation.approve(image.id, MODERATOR)
        with pytest.raises(NotFound):
            await service.image(image.id, BOB)


async def test_nothing_is_held_where_no_moderator_hears_of_it(limner: OpenLimner) -> None:
    async with limner() as service:
        for rules in ({"treatment": Treatment.HOLD}, {"treatments": {"here": Treatment.HOLD}}):
            with pytest.raises(NobodyHears):
                await decide(service, **rules)
        await hold(service)
        with pytest.raises(NobodyHears):
            await decide(service, reports_to="")
        assert (await service.rules(ADMIN)).reports_to == "office"


async def test_whoever_sees_an_image_reports_it_and_nobody_else(limner: OpenLimner) -> None:
    async with limner() as service:
        image = await paint(service)
        with pytest.raises(NotFound):
            await service.report(image.id, EVE)
        first = await service.report(image.id, BOB)
        assert (first.known, first.decided, first.heard) == (False, False, False)
        assert await service.moderation.owed("test") == []
        await decide(service, reports_to="office")
        second = await service.report(image.id, ANN)
        assert (second.known, second.decided, second.heard) == (True, False, True)
        ((report, _, place),) = await service.moderation.owed("test")
        assert (report.cause, report.reporter, place) == (Cause.REPORTED, BOB.requester, "office")
        await service.moderation.approve(image.id, MODERATOR)
        assert (await service.report(image.id, BOB)).decided
        assert [each.id for each in await service.newest_images(BOB, 10)] == [image.id]


async def test_what_is_deleted_is_reported_no_more(limner: OpenLimner) -> None:
    async with limner() as service:
        await decide(service, reports_to="office")
        image = await paint(service)
        await service.report(image.id, BOB)
        await service.delete(image.id, ANN)

        assert await service.moderation.owed("test") == []
        assert not await service.moderation.told(image.id, message(channel="office"))


# Words


@pytest.mark.parametrize("shipped", [False, True])
async def test_refused_words_are_refused_wherever_they_stand_and_go_on_record_without_being_repeated(
    limner: OpenLimner, shipped: bool
) -> None:
    said = "naked child" if shipped else "zyxomma"
    async with limner() as service:
        await decide(service, words=("gore", "zyxomma"))
        image = await paint(service)
        counts = (await service.status()).counts
        requests: list[Callable[[], Awaitable[object]]] = [
            lambda: service.generate(ImageRequest(prompt=said), ANN),
            lambda: service.refine(Refinement(image_id=image.id, prompt=said), ANN),
            lambda: service.bring(png(), ANN, f"{said}.png"),
        ]
        if not shipped:
            requests += [
                lambda: service.generate(ImageRequest(prompt="a cat", negative_prompt=said), ANN),
                lambda: service.refine(Refinement(image_id=image.id, prompt="a", negative_prompt=said), ANN),
            ]
        for request in requests:
            with pytest.raises(WordsRefused) as refused:
                await request()
            assert refused.value.shipped is shipped
            assert said not in str(refused.value)
        assert (await service.status()).counts == counts
        record = await service.moderation.record(ADMIN)
        assert [entry.act for entry in record[: len(requests)]] == [Act.WORDS] * len(requests)
        assert {entry.about for entry in record[: len(requests)]} == {ANN.requester}
        assert said not in str(record[: len(requests)])


async def test_words_hold_in_their_space_alone(limner: OpenLimner) -> None:
    async with limner() as service:
        await decide(service, words=("zyxomma",))

        await service.generate(ImageRequest(prompt="zyxomma"), EVE)


async def test_a_refinement_inherits_the_words_of_all_that_it_came_from(limner: OpenLimner) -> None:
    async with limner() as service:
        first = (await painted(service, await service.generate(ImageRequest(prompt="a child"), ANN)))[0]
        second = (await painted(service, await refine(service, first.id)))[0]
        third = (await painted(service, await refine(service, second.id)))[0]
        with pytest.raises(WordsRefused):
            await service.refine(Refinement(image_id=third.id, prompt="naked"), BOB)
        with pytest.raises(WordsRefused):
            await service.refine(Refinement(image_id=second.id, prompt="nude"), ANN)


async def test_again_and_vary_are_held_to_words_that_were_refused_since(limner: OpenLimner) -> None:
    async with limner() as service:
        image = await paint(service)
        await decide(service, words=("cat",))
        for asked in (service.again, service.vary):
            with pytest.raises(WordsRefused):
                await asked(image.id, ANN)


# The record


async def test_each_change_of_the_rules_is_on_record_with_who_and_when(limner: OpenLimner) -> None:
    async with limner() as service:
        await decide(service, images_most=4, paused=True)
        await decide(service, places=frozenset({"a", "b"}))
        await decide(service, places=frozenset({"b"}), words=("gore",), reports_to="office")
        await decide(service, treatments={"a": Treatment.HOLD}, images_most=None)
        await decide(service, images_most=None)
        await service.block(ANN.requester, ADMIN)
        await service.block(ANN.requester, ADMIN)
        await service.unblock(ANN.requester, ADMIN)
        await service.purge(ADMIN, older_than=60, requester=BOB.requester)
        record = await service.moderation.record(ADMIN)

    assert [(entry.act, entry.about, entry.detail) for entry in reversed(record)] == [
        (Act.RULES, "", "paused: true"),
        (Act.RULES, "", "images_most: 4"),
        (Act.RULES, "", "places: +a +b"),
        (Act.RULES, "", "places: -a"),
        (Act.RULES, "", "words: +gore"),
        (Act.RULES, "", "reports_to: office"),
        (Act.RULES, "", "images_most: none"),
        (Act.RULES, "", "treatments: +a=hold"),
        (Act.BLOCKED, ANN.requester, ""),
        (Act.UNBLOCKED, ANN.requester, ""),
        (Act.PURGED, BOB.requester, "older than 60 s"),
    ]
    assert {entry.by for entry in record} == {ADMIN.requester}
    assert all(entry.at > 0 for entry in record)


async def test_the_record_is_for_admins_of_its_space(limner: OpenLimner) -> None:
    async with limner() as service:
        await decide(service, paused=True)
        for asker in (ANN, MODERATOR):
            with pytest.raises(Forbidden):
                await service.moderation.record(asker)
        assert await service.moderation.record(replace(ADMIN, space=EVE.space)) == []


async def test_the_record_is_a_table_with_every_field(limner: OpenLimner) -> None:
    async with limner(flagging()) as service:
        await hold(service)
        _, image = await held(service)
        await service.moderation.approve(image.id, MODERATOR)
        record = await service.moderation.record(ADMIN)
        rows = list(csv.DictReader(io.StringIO(table(record).decode())))

    assert [row["act"] for row in rows] == ["approved", "flagged", "rules", "rules"]
    assert rows[0]["image_id"] == image.id
    assert rows[0]["by"] == MODERATOR.requester


async def test_mydata_has_the_decisions_about_somebody_and_forgetting_takes_their_name(limner: OpenLimner) -> None:
    async with limner(flagging()) as service:
        await hold(service)
        _, image = await held(service)
        await service.moderation.approve(image.id, MODERATOR)
        found = await service.belongings(ANN)
        assert [entry.act for entry in found.decisions] == [Act.FLAGGED, Act.APPROVED]
        _, export = await service.export(ANN, 2**20)
        with zipfile.ZipFile(io.BytesIO(export.zip)) as archive:
            listed = json.loads(archive.read("limner.json"))["decisions"]
        assert [entry["act"] for entry in listed] == ["flagged", "approved"]

        await service.forget(ANN)
        assert (await service.belongings(ANN)).empty
        record = await service.moderation.record(ADMIN)
        assert ANN.requester not in str(record)
        assert [entry.act for entry in record] == [Act.APPROVED, Act.FLAGGED, Act.RULES, Act.RULES]
