"""What is asked for and what became of it: requests, jobs with their legal moves, images with their recipes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from bot.decisions import Decision

#: What a refinement gets that does not say.
STRENGTH = 0.5


class Sampler(StrEnum):
    EULER = "euler"
    EULER_ANCESTRAL = "euler_ancestral"
    DPMPP_2M = "dpmpp_2m"
    DPMPP_2M_KARRAS = "dpmpp_2m_karras"
    #: For models and LoRAs that were distilled for it: 4 to 8 steps, 50 at most.
    LCM = "lcm"
    #: Euler over the timesteps that Lightning was distilled for.
    EULER_TRAILING = "euler_trailing"


class Quality(StrEnum):
    """What stands for sampler, steps and guidance, where a request does not say: bot/quality.py."""

    DRAFT = "draft"
    STANDARD = "standard"
    HIGH = "high"


class Stage(StrEnum):
    """Which of the two models works."""

    BASE = "base"
    REFINER = "refiner"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """A picture from words. What is None and not said to stay so gets its value when the job is accepted."""

    prompt: str
    #: None gives zero embeddings where the model says so; "" is encoded. Both as in diffusers.
    negative_prompt: str | None = None
    #: Pixels, multiples of 8; None means the model's own size, and stays so.
    width: int | None = None
    height: int | None = None
    quality: Quality = Quality.STANDARD
    num_inference_steps: int | None = None
    #: 1 or less turns guidance off.
    guidance_scale: float | None = None
    sampler: Sampler | None = None
    #: 0 < guidance_end <= 1; guidance ends after this part of the steps.
    guidance_end: float = 1.0
    #: 0 < refine_at < 1; the refiner takes over after this part of the noise. None, also for good: the base alone.
    refine_at: float | None = None
    #: The name of a style; None means none.
    style: str | None = None
    #: A LoRA for few steps, which belongs to the quality; never said by a person.
    few_steps: str | None = None
    #: 0 to 2**64-1; of the first image, the others count up.
    seed: int | None = None
    num_images: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinement:
    """A new picture from an image and words. As for `ImageRequest`, some values come when the job is accepted."""

    image_id: str
    prompt: str
    negative_prompt: str | None = None
    #: 0 < strength <= 1; the part of the steps that is painted anew.
    strength: float = STRENGTH
    quality: Quality = Quality.STANDARD
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    sampler: Sampler | None = None
    guidance_end: float = 1.0
    style: str | None = None
    few_steps: str | None = None
    #: Which model paints it; by image, strength and style.
    stage: Stage | None = None
    seed: int | None = None
    num_images: int = 1


class Treatment(StrEnum):
    """What is done with an image that the check flags."""

    ALLOW = "allow"
    #: It comes covered; whoever wants to see it uncovers it.
    SPOILER = "spoiler"
    #: It comes once a moderator approves.
    HOLD = "hold"
    #: It is not kept.
    REFUSE = "refuse"


def request_from_json(kind: str, text: str) -> ImageRequest | Refinement:
    fields: dict[str, Any] = json.loads(text)
    # Written by an older version, some are not there.
    kinds = {"sampler": Sampler, "quality": Quality, "stage": Stage}
    fields |= {name: kind(fields[name]) for name, kind in kinds.items() if fields.get(name) is not None}
    return ImageRequest(**fields) if kind == "generate" else Refinement(**fields)


def request_to_json(request: ImageRequest | Refinement) -> tuple[str, str]:
    """Kind and fields; the inverse of `request_from_json`."""
    kind = "generate" if isinstance(request, ImageRequest) else "refine"
    return kind, json.dumps(asdict(request), ensure_ascii=False)


class JobStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        return not LEGAL_MOVES[self]

    def may_become(self, other: "JobStatus") -> bool:
        return other in LEGAL_MOVES[self]


#: running -> queued is a job whose worker or program died, or that a restart interrupted.
LEGAL_MOVES: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED}),
    JobStatus.RUNNING: frozenset({JobStatus.QUEUED, JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.DONE: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A request that was accepted."""

    id: str
    #: Who asked, with the platform before the colon: `discord:1234`.
    requester: str
    #: Where it was asked for: a guild, a workspace, an API key.
    space: str
    #: Where to answer; only the adapter that wrote it can read it.
    origin: str
    request: ImageRequest | Refinement
    #: Given out when the job is accepted, so that a second attempt paints the same images.
    image_ids: tuple[str, ...]
    #: Seconds since 1970, as all times.
    created_at: float
    status: JobStatus = JobStatus.QUEUED
    #: How often the job was started.
    attempts: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    failure: Failure | None = None
    #: Who besides the requester may see it: those of the space, or of a closed place in it. "" is nobody.
    audience: str = ""
    #: Made among adults.
    age_restricted: bool = False
    #: By the rules that held when it was accepted.
    treatment: Treatment = Treatment.ALLOW
    #: How many of its images the rules refused, and how many a moderator.
    refused: int = 0
    removed: int = 0

    @property
    def platform(self) -> str:
        return self.requester.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that is needed to paint an image again with stock diffusers, on the same device and versions."""

    #: The model that paints, or begins where `refine_at` is set.
    stage: Stage
    model: str
    prompt: str
    negative_prompt: str | None
    width: int
    height: int
    seed: int
    sampler: Sampler
    num_inference_steps: int
    guidance_scale: float
    guidance_end: float = 1.0
    #: Where the refiner ends what the base began, as an ensemble: which refiner, and at which part of the noise.
    refiner: str | None = None
    refine_at: float | None = None
    #: File or hub ID -> weight.
    loras: Mapping[str, float] = field(default_factory=dict)
    #: Only where a parent was refined.
    strength: float | None = None
    parent_id: str | None = None
    parent_sha256: str | None = None
    device: str = "cpu"
    dtype: str = "float32"
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "stage": Stage(fields["stage"]), "sampler": Sampler(fields["sampler"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A finished picture whose file is whole and on disk."""

    id: str
    #: None for a picture that somebody brought.
    job_id: str | None
    requester: str
    space: str
    parent_id: str | None
    #: Its name inside the image folder.
    file: str
    #: Of the file, in hexadecimal.
    sha256: str
    #: Bytes.
    size: int
    width: int
    height: int
    #: None for a picture that somebody brought.
    recipe: Recipe | None
    created_at: float
    #: As of the job.
    audience: str = ""
    age_restricted: bool = False
    #: What the image check said; None where nothing checked it.
    flagged: bool | None = None
    #: Until a moderator approves it, nobody but moderators sees it.
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The message on a platform that shows an image."""

    platform: str
    space: str
    channel: str
    message_id: str
    #: "" outside threads.
    thread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The news of a job that its adapter still has to bring to its platform."""

    job: Job
    #: What the adapter wrote down on the way, and only it can read.
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Belongings:
    """What is kept of somebody: all that names them, their words or their images."""

    jobs: Sequence[Job]
    images: Sequence[Image]
    #: That show the images.
    messages: Sequence[Message]
    #: Of the jobs.
    deliveries: Sequence[Delivery]
    #: That they took, or that concern them.
    decisions: Sequence[Decision] = ()

    @property
    def empty(self) -> bool:
        return not (self.jobs or self.images or self.messages or self.deliveries or self.decisions)


def together(pieces: Iterable[Belongings]) -> Belongings:
    some = list(pieces)
    return Belongings(
        jobs=[job for piece in some for job in piece.jobs],
        images=[image for piece in some for image in piece.images],
        messages=[message for piece in some for message in piece.messages],
        deliveries=[delivery for piece in some for delivery in piece.deliveries],
    )
