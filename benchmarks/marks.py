"""Marks: what they cost for each image, how long they hold up the step thread, and which changes they survive.

Pictures are the demo model's, enlarged to full size, and made ones like photographs: blots of many sizes, and grain.
"""

import io
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.drive import in_turn, painted
from benchmarks.report import Row
from bot import jobs
from bot.inference.paint import PNG_THREADS
from bot.inference.pipelines import DEMO, Pipelines
from bot.jobs import ImageRequest, Recipe, Sampler, Stage
from bot.marks import watermark, xmp
from bot.marks.authority import own_signer
from bot.marks.credentials import Claim, Parent, Signer, State, signed
from bot.marks.findings import Findings, Watermark, examine
from bot.marks.marker import PLAIN, Marker
from bot.quality import Menu

SIDES = (512, 1024)
#: Times that each cost is measured.
RUNS = 15
#: Seconds that the step thread is watched in a round, and that a step of its takes.
WATCHED, STEP = 3.0, 0.005
#: One after the other, so that a slow moment of the machine hits all alike.
ROUNDS = 7
#: What changes are tried on. None of these pictures was looked at when the decoder and its threshold were chosen.
THINGS = ("a dog", "a blue car", "a sad face", "a flower", "a fish", "a yellow star", "a boat", "a mushroom")
SEEDS = range(100, 100 + len(THINGS))
RECIPE = Recipe(
    stage=Stage.BASE,
    model="stabilityai/stable-diffusion-xl-base-1.0",
    prompt="a cat in a hat, in the snow",
    negative_prompt="blurry",
    width=1024,
    height=1024,
    seed=7,
    sampler=Sampler.EULER,
    num_inference_steps=30,
    guidance_scale=5.0,
)
PAINTING = jobs.Image(
    id="image",
    job_id="job",
    requester="bench",
    space="bench",
    parent_id=None,
    file="image.png",
    sha256="0" * 64,
    size=1,
    width=1024,
    height=1024,
    recipe=RECIPE,
    created_at=0,
)

Pixels = NDArray[np.uint8]
#: A file -> the file after somebody changed it.
Change = Callable[[bytes], bytes]


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        signer = own_signer(Path(folder), time.time())
    marker = Marker(watermark=True, signer=signer)
    for side in SIDES:
        yield from costs(side, signer)
    yield from held_up(marker)
    yield from survival(marker, signer)


# What they cost.


def costs(side: int, signer: Signer) -> Iterator[Row]:
    """The median of some runs, each mark alone."""
    pixels, now = photo(side, 1), time.time()
    picture = Image.fromarray(pixels)
    png = PLAIN.mark(picture, "image", RECIPE, parent=None, now=now)
    signed_png = signed(png, "png", Claim("image", "demo", None, now), signer)
    child = Claim("image", "demo", Parent(signed_png, "parent"), now)
    ways: dict[str, Callable[[], object]] = {
        "PNG with recipe and XMP": lambda: PLAIN.mark(picture, "image", RECIPE, parent=None, now=now),
        "XMP alone": lambda: xmp.packet("image", RECIPE.to_json()),
        "watermark": lambda: watermark.embed(pixels),
        "watermark by invisible-watermark": lambda: by_library(pixels),
        "credentials": lambda: signed(png, "png", Claim("image", "demo", None, now), signer),
        "credentials of a refinement": lambda: signed(png, "png", child, signer),
        "looking for all of them": lambda: examine(signed_png, signer.certificates),
    }
    in_turn(list(ways.values()), 1)
    times = dict(zip(ways, map(statistics.median, in_turn(list(ways.values()), RUNS)), strict=True))
    for way, took in times.items():
        yield Row(f"{side}x{side}: {way}", f"{took * 1000:.1f} ms")
    all_marks = times["XMP alone"] + times["watermark"] + times["credentials"]
    part = all_marks / times["PNG with recipe and XMP"]
    yield Row(f"{side}x{side}: all marks of an image", f"{all_marks * 1000:.1f} ms, {part:.0%} of what its PNG takes")
    ours, theirs = noise(pixels, watermark.embed(pixels)), noise(pixels, by_library(pixels))
    yield Row(f"{side}x{side}: PSNR of the watermark", f"{ours:.1f} dB; by invisible-watermark {theirs:.1f} dB")


def by_library(rgb: Pixels) -> Pixels:
    from imwatermark import WatermarkEncoder

    encoder = WatermarkEncoder()
    encoder.set_watermark("bits", [int(bit) for bit in watermark.WANTED])
    marked: Pixels = encoder.encode(np.ascontiguousarray(rgb[:, :, ::-1]), "dwtDct")[:, :, ::-1]
    return marked


def noise(one: Pixels, other: Pixels) -> float:
    """PSNR in decibels."""
    return float(10 * np.log10(255**2 / np.mean((one.astype(np.float64) - other) ** 2)))


# Who waits for them.


def held_up(marker: Marker) -> Iterator[Row]:
    """How late a thread is that waits for a device and then runs some Python, while the PNG threads work."""
    picture = Image.fromarray(photo(1024, 1))

    def library() -> None:
        Marker(watermark=False, signer=marker.signer).mark(
            Image.fromarray(by_library(photo_of[0])), "image", RECIPE, parent=None, now=time.time()
        )

    photo_of = [np.asarray(picture)]
    beside: Mapping[str, Callable[[], object] | None] = {
        "nothing": None,
        "PNGs without marks": lambda: PLAIN.mark(picture, "image", RECIPE, parent=None, now=0),
        "PNGs with all marks": lambda: marker.mark(picture, "image", RECIPE, parent=None, now=time.time()),
        "the same, the watermark by invisible-watermark": library,
    }
    rounds: dict[str, list[list[float]]] = {name: [] for name in beside}
    for _ in range(ROUNDS):
        for name, work in beside.items():
            with busy(work):
                rounds[name].append(lateness())
    for name, each in rounds.items():
        p50, p99 = ([percentile(which, late) for late in each] for which in (50, 99))
        text = f"p50 {statistics.median(p50):.2f} ms; p99 {statistics.median(p99):.1f} ms"
        yield Row(f"step thread, late beside {name}", f"{text}, from {min(p99):.1f} to {max(p99):.1f} by round")


@contextmanager
def busy(work: Callable[[], object] | None) -> Iterator[None]:
    """As many threads as write PNGs do this again and again."""
    stop = threading.Event()

    def run() -> None:
        while work is not None and not stop.is_set():
            work()

    threads = [threading.Thread(target=run) for _ in range(PNG_THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def lateness() -> list[float]:
    """Milliseconds beyond a step's own time, of each step."""
    late = []
    until = time.perf_counter() + WATCHED
    while (began := time.perf_counter()) < until:
        time.sleep(STEP)
        sum(range(2000))
        late.append((time.perf_counter() - began - STEP) * 1000)
    return late


def percentile(which: int, values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[which - 1]


# What they survive.


def survival(marker: Marker, signer: Signer) -> Iterator[Row]:
    files = [
        (kind, marker.mark(Image.fromarray(pixels), "image", RECIPE, parent=None, now=time.time()))
        for kind, pixels in pictures()
    ]
    for name, change in changes(marker).items():
        changed = [(kind, change(file)) for kind, file in files]
        found = [(kind, examine(file, signer.certificates), majorities(file)) for kind, file in changed]
        yield Row(f"after: {name}", "; ".join(f"{mark} {told}" for mark, told in told_of(found)))


def majorities(file: bytes) -> bool:
    """What the library's decoder reads: 42 of the 48 bits and more."""
    with Image.open(io.BytesIO(file)) as picture:
        return watermark.bits_found(np.asarray(picture.convert("RGB"))) * watermark.BITS > 41.5


def told_of(found: list[tuple[str, Findings, bool]]) -> Iterator[tuple[str, str]]:
    for kind in sorted({kind for kind, _, _ in found}):
        those = [(each.watermark is Watermark.FOUND, bits) for of, each, bits in found if of == kind]
        ours, theirs = (sum(column) for column in zip(*those, strict=True))
        yield f"watermark, {kind}:", f"{ours} of {len(those)} ({theirs} by majorities)"
    for mark, has in (
        ("recipe", lambda each: each.recipe),
        ("XMP", lambda each: each.source_type is not None),
        ("credentials", lambda each: each.credentials is not None and each.credentials.state is State.TRUSTED),
    ):
        yield f"{mark}:", yes_or_no([has(each) for _, each, _ in found])
    if any(each.credentials and each.credentials.state is State.BROKEN for _, each, _ in found):
        yield "(credentials are there,", "and broken)"


def yes_or_no(those: list[bool]) -> str:
    return "yes" if all(those) else "no" if not any(those) else f"{sum(those)} of {len(those)}"


def pictures() -> Iterator[tuple[str, Pixels]]:
    pipelines = Pipelines.load(DEMO, DEMO)
    requests = [
        Menu().filled_in(ImageRequest(prompt=thing, num_inference_steps=20, seed=seed))
        for thing, seed in zip(THINGS, SEEDS, strict=True)
    ]
    _, driven = painted(pipelines, requests, len(requests))
    for side in SIDES:
        for image in driven.images().values():
            with Image.open(io.BytesIO(image.png)) as small:
                yield f"demo {side}", np.asarray(small.convert("RGB").resize((side, side), Image.Resampling.LANCZOS))
        for seed in SEEDS:
            yield f"photo {side}", photo(side, seed)


def photo(side: int, seed: int) -> Pixels:
    """Blots of four sizes, each finer one fainter, and the grain of a sensor."""
    chance = np.random.default_rng(seed)
    light = np.full((side, side, 3), 128.0)
    for blots in (4, 16, 64, 256):
        coarse = chance.normal(0, 120 / blots**0.5, (blots, blots, 3)).astype(np.float32)
        for channel in range(3):
            light[..., channel] += np.asarray(Image.fromarray(coarse[..., channel]).resize((side, side)))
    return np.clip(light + chance.normal(0, 3, light.shape), 0, 255).astype(np.uint8)


def changes(marker: Marker) -> dict[str, Change]:
    def saved(form: str, **options: Any) -> Change:
        return lambda file: redrawn(file, lambda picture: picture, form, **options)

    def sized(part: float) -> Change:
        return lambda file: redrawn(file, lambda picture: picture.resize(scaled(picture, part)), "PNG")

    def cropped(part: float) -> Change:
        def crop(picture: Image.Image) -> Image.Image:
            left, top = (int(side * part / 2) for side in picture.size)
            return picture.crop((left, top, picture.width - left, picture.height - top))

        return lambda file: redrawn(file, crop, "PNG")

    def fallen_back(part: float) -> Change:
        def change(file: bytes) -> bytes:
            limit = int(len(file) * part)
            while (smaller := marker.fitting(PAINTING, file, limit, time.time())) is None:
                limit += limit // 5
            return smaller.bytes

        return change

    twice = saved("JPEG", quality=70)
    return {
        "nothing": lambda file: file,
        "sent smaller by Limner, a little": fallen_back(0.97),
        "sent smaller by Limner, to 40 %": fallen_back(0.4),
        "sent smaller by Limner, to about 15 %": fallen_back(0.15),
        "saved again without notes, as from the screen or by a platform that strips them": saved("PNG"),
        "saved again as lossless WebP": saved("WEBP", lossless=True),
        "saved again as WebP 80": saved("WEBP", quality=80),
        **{f"saved again as JPEG {quality}": saved("JPEG", quality=quality) for quality in (95, 88, 80, 70)},
        "saved again as JPEG 70, twice": lambda file: twice(twice(file)),
        **{f"sized to {part:.0%}": sized(part) for part in (0.5, 0.75, 1.5)},
        **{f"{part:.0%} cropped off": cropped(part) for part in (0.05, 0.25)},
    }


def scaled(picture: Image.Image, part: float) -> tuple[int, int]:
    return int(picture.width * part), int(picture.height * part)


def redrawn(file: bytes, change: Callable[[Image.Image], Image.Image], form: str, **options: Any) -> bytes:
    """As a program does that knows pixels alone."""
    into = io.BytesIO()
    with Image.open(io.BytesIO(file)) as picture:
        pixels = change(picture.convert("RGB"))
    Image.fromarray(np.asarray(pixels)).save(into, form, **options)
    return into.getvalue()
