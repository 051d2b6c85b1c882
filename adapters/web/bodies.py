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
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    def given(self) -> dict[str, Any]:
        """Fields that the caller set; the others keep the core's defaults."""
        return {name: value for name, value in self if value is not None}


class Answer(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class GenerateBody(Body):
    prompt: Annotated[Prompt, Field(examples=["A cat in a hat"])]
    """What to paint."""
    negative_prompt: NegativePrompt | None = None
    """What should not be in the picture."""
    width: Side | None = None
    """Pixels; the model's own where it is left out."""
    height: Side | None = None
    """Pixels; the model's own where it is left out."""
    quality: Quality | None = None
    """Fills in sampler, steps and guidance where they are left out; `standard` where it is left out itself."""
    style: Text | None = None
    """One of those that are set up."""
    num_inference_steps: Steps | None = None
    """Denoising steps; by `quality` where they are left out."""
    guidance_scale: Guidance | None = None
    """How closely the prompt is followed; 1 or less turns guidance off."""
    guidance_end: Part | None = None
    """After this part of the steps there is no guidance, and a step costs half."""
    refine_at: ProperPart | None = None
    """After this part of the noise the refiner takes over."""
    seed: Seed | None = None
    """By chance, below 4294967296, where it is left out."""
    sampler: Sampler | None = None
    """By `quality` where it is left out."""
    num_images: Count | None = None
    """Their seeds count up; 1 where it is left out."""

    def request(self) -> ImageRequest:
        return ImageRequest(**self.given())


class RefineBody(Body):
    id: Text
    """The image to refine."""
    prompt: Annotated[Prompt, Field(examples=["warmer light"])]
    """What it shall become."""
    negative_prompt: NegativePrompt | None = None
    """What should not be in the picture."""
    strength: Part | None = None
    """How much may change; 0.5 where it is left out."""
    quality: Quality | None = None
    """Fills in sampler, steps and guidance where they are left out; `standard` where it is left out itself."""
    style: Text | None = None
    """One of those that are set up."""
    num_inference_steps: Steps | None = None
    """Denoising steps; by `quality` where they are left out."""
    guidance_scale: Guidance | None = None
    """How closely the prompt is followed; 1 or less turns guidance off."""
    guidance_end: Part | None = None
    """After this part of the steps there is no guidance, and a step costs half."""
    seed: Seed | None = None
    """By chance, below 4294967296, where it is left out."""
    sampler: Sampler | None = None
    """By `quality` where it is left out."""

    def refinement(self) -> Refinement:
        fields = self.given()
        return Refinement(image_id=fields.pop("id"), **fields)


class SaidBody(Body):
    """A line of the playground's chat: `/generate`, `/refine`, `/status`, `/help`, or words alone."""

    text: Annotated[Text, Field(examples=["/generate a cat in a hat --steps 20"])]
    """What was typed."""
    image: Text | None = None
    """The image that it answers to: words alone refine it."""


def _kind(body: Any) -> str:
    return "refine" if isinstance(body, Mapping) and "id" in body else "generate"


#: With an `id` it refines that image, without one it paints from words.
JobBody = Annotated[
    Annotated[GenerateBody, Tag("generate")] | Annotated[RefineBody, Tag("refine")],
    Discriminator(_kind),
]


class ImageSummary(Answer):
    id: str
    """The image's."""
    url: str
    """Where its PNG is."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    seed: int | None
    """null for a picture that was brought."""
    parent: str | None
    """The image that it was refined from."""
    flagged: bool | None
    """What the image check said of it; null where nothing checked it."""
    created_at: float
    """Seconds since 1970, as all times."""


class ImageDetails(ImageSummary):
    sha256: str
    """Of its PNG, in hex."""
    size: int
    """Of its PNG, in bytes."""
    recipe: Mapping[str, Any] | None
    """All that it was painted with; null for a picture that was brought."""
    children: Sequence[str]
    """Images that were refined from it, as far as the caller may see them."""


class CredentialsBody(Answer):
    """C2PA content credentials: what the newest of them say."""

    state: Literal["trusted", "untrusted", "broken"]
    """Whole and signed by who is trusted here; whole and signed by somebody unknown here; or changed since."""
    reasons: Sequence[str]
    """Why they are broken."""
    signer: str | None
    """Who signed, as the certificate names them."""
    when: str | None
    """By the signer's clock."""
    actions: Sequence[str]
    """What was done, as C2PA names it."""
    source_type: str | None
    """What came out, as IPTC names it."""
    model: str | None
    """What painted it."""
    title: str | None
    """The image's ID, if Limner signed."""
    parent: str | None
    """The title of what it was made from."""


class VerifiedBody(Answer):
    format: str
    """`PNG`, `JPEG` or `WEBP`."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    sha256: str
    """Of the file, in hex."""
    known: bool
    """Whether this very file is an image here."""
    id: str | None
    """That image, or else the one here that the marks name; null where the caller may not see it."""
    watermark: Literal["found", "not found", "too small"]
    """The invisible one; `too small` are pictures that have none."""
    recipe: bool
    """Whether a recipe is in it."""
    source_type: str | None
    """What its XMP says that it is, as IPTC names it."""
    image_id: str | None
    """The image that its marks name, which is proven by trusted credentials alone."""
    credentials: CredentialsBody | None
    """null where there are none."""


class ImageList(Answer):
    images: Sequence[ImageSummary]
    """The newest first."""


class PaintedBody(Answer):
    id: str
    """The first image's."""
    job_id: str
    """The job that painted them."""
    images: Sequence[ImageSummary]
    """In the order of their seeds."""


class FailureBody(Answer):
    code: str
    """One of the errors' codes."""
    detail: str
    """What happened, and what to do."""


class JobDetails(Answer):
    id: str
    """The job's."""
    status: str
    """`queued`, `running`, `done`, `failed` or `cancelled`."""
    kind: Literal["generate", "refine"]
    """Whether it refines an image."""
    prompt: str
    """As it was asked for."""
    seed: int | None
    """Of its first image."""
    attempts: int
    """How often it was started."""
    created_at: float
    """Seconds since 1970, as all times."""
    started_at: float | None
    """The last time."""
    finished_at: float | None
    """When it was over."""
    failure: FailureBody | None
    """null unless it failed."""
    parent: str | None
    """The image that a refinement starts from."""
    images: Sequence[ImageSummary]
    """None until it is done."""
    refused: int
    """How many more there were, which rules or moderators did not let through."""


class History(Answer):
    jobs: Sequence[JobDetails]
    """In all states, the newest first."""
    brought: Sequence[ImageSummary]
    """Pictures that the caller brought meanwhile."""


class RunningJob(Answer):
    id: str
    """The job's."""
    requester: str
    """Who asked, as platform and ID."""
    image: int
    """The first that is not finished, from 1."""
    images: int
    """How many it makes."""
    step: int
    """Of all images together."""
    steps: int | None
    """null before the first."""


class StatusBody(Answer):
    version: str
    """Limner's."""
    ready: bool
    """Whether a worker can paint."""
    stopping: bool
    """Whether it was told to stop."""
    queued: int
    """Jobs that wait."""
    running: Sequence[RunningJob]
    """In the order in which they began."""
    jobs: Mapping[str, int]
    """How many there are in each state."""
    workers: Sequence[Mapping[str, Any]]
    """Each with its state, model, device, memory, and a `plan`: how it uses memory, how many pictures share a step."""
    trouble: str | None = None
    """What the disk or the database refuses, for the operator; null while they work."""


class JobSaid(Answer):
    kind: Literal["job"] = "job"
    """A job was accepted."""
    job: JobDetails
    """As from `POST /jobs`."""


class StatusSaid(Answer):
    kind: Literal["status"] = "status"
    """The line was `/status`."""
    status: StatusBody
    """As from `GET /status`."""


class HelpSaid(Answer):
    kind: Literal["help"] = "help"
    """The line was `/help`."""
    text: str
    """What can be typed."""


class WaitingJob(Answer):
    id: str
    """The job's."""
    requester: str
    """Who asked, as platform and ID."""
    kind: Literal["generate", "refine"]
    """Whether it refines an image."""
    images: int
    """How many it makes."""
    created_at: float
    """Seconds since 1970, as all times."""
    eta: float | None
    """Seconds until it will be done, as far as that is foreseen."""


class Process(Answer):
    """The one that serves."""

    memory: int | None
    """Bytes; null where the system does not tell."""
    cpu_seconds: float
    """Since it began."""


class LatelyBody(Answer):
    hours: int
    """How many are looked back."""
    done: int
    """Jobs."""
    failed: int
    """Jobs."""
    cancelled: int
    """Jobs."""
    seconds_p50: float | None
    """From acceptance to the finished image: the median."""
    seconds_p95: float | None
    """The same: the 95th percentile."""


class MinuteBody(Answer):
    at: int
    """When it began."""
    done: int
    """Jobs."""
    failed: int
    """Jobs."""
    seconds_p50: float | None
    """From acceptance to the finished image: the median."""


class FailedJob(Answer):
    job_id: str
    """The job's."""
    requester: str
    """Who asked, as platform and ID."""
    code: str
    """One of the errors' codes."""
    detail: str
    """What happened."""
    at: float | None
    """Seconds since 1970, as all times."""


class Activity(Answer):
    """For who watches: of all requesters, without their words."""

    version: str
    """Limner's."""
    now: float
    """Seconds since 1970, as all times."""
    state: Literal["ready", "not_ready", "stopping", "trouble"]
    """`trouble` is the disk's."""
    reason: str | None
    """Why it is not ready, or what the trouble is."""
    queued: int
    """Jobs that wait."""
    waiting: Sequence[WaitingJob]
    """The first of them, the next one first."""
    running: Sequence[RunningJob]
    """In the order in which they began."""
    workers: Sequence[Mapping[str, Any]]
    """As in `GET /status`."""
    server: Process
    """The process that answers."""
    lately: LatelyBody
    """What became of the jobs that ended lately."""
    minutes: Sequence[MinuteBody]
    """The last 60."""
    failures: Sequence[FailedJob]
    """The last 20, the newest first."""


class Health(Answer):
    status: str
    """`ok`, `ready`, or what is missing."""
    reason: str | None = None
    """Why it is not ready."""


class Index(Answer):
    name: str
    """Limner."""
    version: str
    """Its own."""
    openapi: str
    """Where the description is."""
    status: str
    """Where the status is."""


class Problem(Answer):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    """Always this one; `code` tells more."""
    title: str
    """The status in words."""
    status: int
    """The same as the answer's."""
    detail: str
    """What happened, why, and what to do."""
    code: str
    """One of the errors' codes."""
    errors: Sequence[Mapping[str, str]] = ()
    """All mistakes of a 422, each with its `field` and a `message`."""
    job_id: str | None = None
    """Where a job was accepted before the error."""
