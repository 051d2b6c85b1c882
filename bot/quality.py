"""What a quality stands for: sampler, steps, guidance, and the LoRA that makes few steps enough. A table, and how it is
filled in."""

from dataclasses import dataclass, replace
from typing import TypeVar

from bot.jobs import ImageRequest, Quality, Refinement, Sampler, Stage
from bot.styles import Style

T = TypeVar("T")

#: Where more than this part of a picture shall change, the base paints: the refiner was trained for the last fifth of
#: the noise only, and cannot invent.
STRONG_CHANGE = 0.5


@dataclass(frozen=True, slots=True)
class Preset:
    sampler: Sampler
    num_inference_steps: int
    guidance_scale: float
    #: Where a refiner is there.
    refine_at: float | None = None


#: 30 steps of Euler are SDXL's usual; 50 with the refiner at 0.8 are 40 and 10.
GENERATE = {
    Quality.DRAFT: Preset(Sampler.DPMPP_2M_KARRAS, 14, 5.0),
    Quality.STANDARD: Preset(Sampler.EULER, 30, 5.0),
    Quality.HIGH: Preset(Sampler.EULER, 50, 5.0, refine_at=0.8),
}
REFINE = {
    Quality.DRAFT: Preset(Sampler.EULER, 16, 5.0),
    Quality.STANDARD: Preset(Sampler.EULER, 30, 5.0),
    Quality.HIGH: Preset(Sampler.EULER, 50, 5.0),
}


@dataclass(frozen=True, slots=True)
class FewSteps:
    """A LoRA that was distilled so that few steps without guidance are enough, and how it wants to be used."""

    lora: str
    preset: Preset


#: By the name that `LIMNER_DRAFT` takes.
FEW_STEPS = {
    "lcm": FewSteps("latent-consistency/lcm-lora-sdxl", Preset(Sampler.LCM, 6, 1.0)),
    "lightning": FewSteps(
        "ByteDance/SDXL-Lightning/sdxl_lightning_4step_lora.safetensors", Preset(Sampler.EULER_TRAILING, 4, 1.0)
    ),
}


@dataclass(frozen=True, slots=True)
class Menu:
    """What may be chosen from with this model."""

    styles: tuple[Style, ...] = ()
    #: A key of FEW_STEPS, where drafts use one.
    draft: str | None = None
    has_refiner: bool = True

    def filled_in(self, request: ImageRequest) -> ImageRequest:
        """With the quality's values where the request says nothing."""
        preset, few_steps = self._preset(request, Stage.BASE)
        steps = _or(request.num_inference_steps, preset.num_inference_steps)
        refine_at = preset.refine_at if self.has_refiner and can_be_shared(steps, preset.refine_at) else None
        return replace(
            request,
            sampler=request.sampler or preset.sampler,
            num_inference_steps=steps,
            guidance_scale=_or(request.guidance_scale, preset.guidance_scale),
            refine_at=_or(request.refine_at, refine_at),
            few_steps=few_steps,
        )

    def filled_in_for(self, refinement: Refinement) -> Refinement:
        stage = self._stage(refinement)
        preset, few_steps = self._preset(refinement, stage)
        return replace(
            refinement,
            stage=stage,
            sampler=refinement.sampler or preset.sampler,
            num_inference_steps=_or(refinement.num_inference_steps, preset.num_inference_steps),
            guidance_scale=_or(refinement.guidance_scale, preset.guidance_scale),
            few_steps=few_steps,
        )

    def asked_again(self, request: ImageRequest | Refinement) -> ImageRequest | Refinement:
        """One that was filled in, ready to be filled in anew: the sampler of a LoRA for few steps was nobody's choice.

        Neither were steps and guidance, as far as one can tell, where that LoRA is not used any more.
        """
        if request.few_steps is None:
            return request
        if request.few_steps == self.draft:
            return replace(request, sampler=None)
        return replace(request, sampler=None, num_inference_steps=None, guidance_scale=None)

    def _stage(self, refinement: Refinement) -> Stage:
        if not self.has_refiner or refinement.style or refinement.strength > STRONG_CHANGE:
            return Stage.BASE
        return Stage.REFINER

    def _preset(self, request: ImageRequest | Refinement, stage: Stage) -> tuple[Preset, str | None]:
        """A sampler that somebody chose is not the one that a LoRA for few steps was made for."""
        if request.quality is Quality.DRAFT and self.draft and stage is Stage.BASE and request.sampler is None:
            return FEW_STEPS[self.draft].preset, self.draft
        table = GENERATE if isinstance(request, ImageRequest) else REFINE
        return table[request.quality], None


def can_be_shared(steps: int, refine_at: float | None) -> bool:
    """Base and refiner get a step each, at least."""
    return refine_at is not None and round(steps * min(refine_at, 1 - refine_at), 6) >= 1


def _or(said: T | None, preset: T) -> T:
    return preset if said is None else said
