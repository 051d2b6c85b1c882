"""The JSON that goes in and out. Types only: ranges and sentences are the core's, the same for every platform."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, StrictInt, StrictStr, Tag
from pydantic_core import PydanticKnownError

from bot.jobs import ImageRequest, Quality, Refinement, Sampler


def _whole(text: str) -> str:
    """JSON can name half of a surrogate pair, which is no character; no file and no answer could hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticKnownError("string_unicode") from None
    return text


Text = Annotated[StrictStr, AfterValidator(_whole)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    def given(self) -> dict[str, Any]:
        """Fields that the caller set; the others keep the core's defaults."""
        return {name: value for name, value in self if value is not None}


class GenerateBody(Body):
    prompt: Annotated[Text, Field(examples=["A cat in a hat"])]
    negative_prompt: Text | None = None
    width: StrictInt | None = None
    height: StrictInt | None = None
    quality: Quality | None = None
    style: Text | None = None
    num_inference_steps: StrictInt | None = None
    guidance_scale: Number | None = None
    guidance_end: Number | None = None
    refine_at: Number | None = None
    seed: StrictInt | None = None
    sampler: Sampler | None = None
    num_images: StrictInt | None = None

    def request(self) -> ImageRequest:
        return ImageRequest(**self.given())


class RefineBody(Body):
    #: The image to refine.
    id: Text
    prompt: Annotated[Text, Field(examples=["warmer light"])]
    negative_prompt: Text | None = None
    strength: Number | None = None
    quality: Quality | None = None
    style: Text | None = None
    num_inference_steps: StrictInt | None = None
    guidance_scale: Number | None = None
    guidance_end: Number | None = None
    seed: StrictInt | None = None
    sampler: Sampler | None = None

    def refinement(self) -> Refinement:
        fields = self.given()
        return Refinement(image_id=fields.pop("id"), **fields)


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
    images: Sequence[ImageSummary]


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
