"""The JSON that goes in and out. Only types are checked here: ranges and sentences are the core's, the same for every
platform, and stand here for the description."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, StrictInt, StrictStr, Tag
from pydantic_core import PydanticKnownError

from bot.jobs import ImageRequest, Quality, Refinement, Sampler
from bot.prompts import GUIDANCE_MAX, IMAGES_MAX, PROMPT_LIMIT, SEED_MAX, SIDE_MAX, SIDE_MIN, SIDE_UNIT, STEPS_MAX


def _whole(text: str) -> str:
    """JSON can name half of a surrogate pair, which is no character; no file and no answer could hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticKnownError("string_unicode") from None
    return text


Text = Annotated[StrictStr, AfterValidator(_whole)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


def _told(**limits: Any) -> Any:
    """In the description, and not checked."""
    return Field(json_schema_extra=limits)


Prompt = Annotated[Text, _told(minLength=1, maxLength=PROMPT_LIMIT)]
NegativePrompt = Annotated[Text, _told(maxLength=PROMPT_LIMIT)]
Side = Annotated[StrictInt, _told(minimum=SIDE_MIN, maximum=SIDE_MAX, multipleOf=SIDE_UNIT)]
Steps = Annotated[StrictInt, _told(minimum=1, maximum=STEPS_MAX)]
Guidance = Annotated[Number, _told(minimum=0, maximum=GUIDANCE_MAX)]
Part = Annotated[Number, _told(exclusiveMinimum=0, maximum=1)]
ProperPart = Annotated[Number, _told(exclusiveMinimum=0, exclusiveMaximum=1)]
Seed = Annotated[StrictInt, _told(minimum=0, maximum=SEED_MAX)]
Count = Annotated[StrictInt, _told(minimum=1, maximum=IMAGES_MAX)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    def given(self) -> dict[str, Any]:
        """Fields that the caller set; the others keep the core's defaults."""
        return {name: value for name, value in self if value is not None}


class GenerateBody(Body):
    prompt: Annotated[Prompt, Field(examples=["A cat in a hat"])]
    negative_prompt: NegativePrompt | None = None
    width: Side | None = None
    height: Side | None = None
    quality: Quality | None = None
    style: Text | None = None
    num_inference_steps: Steps | None = None
    guidance_scale: Guidance | None = None
    guidance_end: Part | None = None
    refine_at: ProperPart | None = None
    seed: Seed | None = None
    sampler: Sampler | None = None
    num_images: Count | None = None

    def request(self) -> ImageRequest:
        return ImageRequest(**self.given())


class RefineBody(Body):
    #: The image to refine.
    id: Text
    prompt: Annotated[Prompt, Field(examples=["warmer light"])]
    negative_prompt: NegativePrompt | None = None
    strength: Part | None = None
    quality: Quality | None = None
    style: Text | None = None
    num_inference_steps: Steps | None = None
    guidance_scale: Guidance | None = None
    guidance_end: Part | None = None
    seed: Seed | None = None
    sampler: Sampler | None = None

    def refinement(self) -> Refinement:
        fields = self.given()
        return Refinement(image_id=fields.pop("id"), **fields)


class SaidBody(Body):
    """A line of the playground's chat: `/generate`, `/refine`, `/status`, `/help`, or words alone."""

    text: Annotated[Text, Field(examples=["/generate a cat in a hat --steps 20"])]
    #: The image that it answers to: words alone refine it.
    image: Text | None = None


def _kind(body: Any) -> str:
    return "refine" if isinstance(body, Mapping) and "id" in body else "generate"


#: With an `id` it refines that image, without one it paints from words.
JobBody = Annotated[
    Annotated[GenerateBody, Tag("generate")] | Annotated[RefineBody, Tag("refine")],
    Discriminator(_kind),
]


class ImageSummary(BaseModel):
    id: str
    url: str
    width: int
    height: int
    seed: int | None
    parent: str | None
    created_at: float


class ImageDetails(ImageSummary):
    sha256: str
    size: int
    recipe: Mapping[str, Any] | None
    children: Sequence[str]


class ImageList(BaseModel):
    images: Sequence[ImageSummary]


class PaintedBody(BaseModel):
    #: The first image's.
    id: str
    job_id: str
    images: Sequence[ImageSummary]


class FailureBody(BaseModel):
    code: str
    detail: str


class JobDetails(BaseModel):
    id: str
    status: str
    kind: Literal["generate", "refine"]
    prompt: str
    seed: int | None
    attempts: int
    created_at: float
    started_at: float | None
    finished_at: float | None
    failure: FailureBody | None
    #: The image that a refinement starts from.
    parent: str | None
    images: Sequence[ImageSummary]


class History(BaseModel):
    jobs: Sequence[JobDetails]
    #: Pictures that the caller brought meanwhile.
    brought: Sequence[ImageSummary]


class RunningJob(BaseModel):
    id: str
    requester: str
    image: int
    images: int
    step: int
    steps: int | None


class StatusBody(BaseModel):
    version: str
    ready: bool
    stopping: bool
    queued: int
    running: Sequence[RunningJob]
    jobs: Mapping[str, int]
    workers: Sequence[Mapping[str, Any]]
    #: What the disk or the database refuses, for the operator; null while they work.
    trouble: str | None = None


class JobSaid(BaseModel):
    kind: Literal["job"] = "job"
    job: JobDetails


class StatusSaid(BaseModel):
    kind: Literal["status"] = "status"
    status: StatusBody


class HelpSaid(BaseModel):
    kind: Literal["help"] = "help"
    text: str


class WaitingJob(BaseModel):
    id: str
    requester: str
    kind: Literal["generate", "refine"]
    images: int
    created_at: float
    #: Seconds until it will be done, as far as that is foreseen.
    eta: float | None


class Process(BaseModel):
    """The one that serves."""

    #: Bytes; null where the system does not tell.
    memory: int | None
    cpu_seconds: float


class LatelyBody(BaseModel):
    hours: int
    done: int
    failed: int
    cancelled: int
    #: From acceptance to the finished image.
    seconds_p50: float | None
    seconds_p95: float | None


class MinuteBody(BaseModel):
    #: When it began.
    at: int
    done: int
    failed: int
    seconds_p50: float | None


class FailedJob(BaseModel):
    job_id: str
    requester: str
    code: str
    detail: str
    at: float | None


class Activity(BaseModel):
    """For who watches: of all requesters, without their words."""

    version: str
    #: Seconds since 1970, as all times.
    now: float
    state: Literal["ready", "not_ready", "stopping", "trouble"]
    reason: str | None
    queued: int
    #: The first of them, the next one first.
    waiting: Sequence[WaitingJob]
    running: Sequence[RunningJob]
    workers: Sequence[Mapping[str, Any]]
    server: Process
    lately: LatelyBody
    #: The last 60.
    minutes: Sequence[MinuteBody]
    #: The last 20, the newest first.
    failures: Sequence[FailedJob]


class Health(BaseModel):
    status: str
    reason: str | None = None


class Index(BaseModel):
    name: str
    version: str
    openapi: str
    status: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    errors: Sequence[Mapping[str, str]] = ()
    job_id: str | None = None
