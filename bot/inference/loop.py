"""Which rows take the next step together. Owns the rows in flight; knows neither jobs nor prompts."""

from collections.abc import Callable, Sequence

import torch

from bot.inference.caps import Caps
from bot.inference.denoise import Denoiser, Key, Row, UNet
from bot.jobs import Stage

#: Pixels of a picture for each of its latents' positions.
PIXELS_PER_LATENT = 64
#: Steps that one LoRA set may be ahead of another, as each swap costs about as much as a step.
SWAP_AFTER = 4


class TooLarge(Exception):
    """The device's memory is not enough for this row alone."""

    def __init__(self, row: Row) -> None:
        super().__init__(f"{row.key.width}x{row.key.height} latents")
        self.row = row


class StepFailed(Exception):
    """The UNet raised its cause for these rows; whether they can go on is not known."""

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__(f"a step of {len(rows)} rows failed")
        self.rows = rows


def pixels_of(key: Key) -> int:
    return key.height * key.width * PIXELS_PER_LATENT


class StepLoop:
    """Belongs to the step thread.

    `unet` gives the model for a key, ready to be called. `release` gives memory back after it ran out.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        caps: Caps,
        *,
        unet: Callable[[Key], UNet],
        release: Callable[[], None],
        one_stage_at_a_time: bool,
    ) -> None:
        self._denoiser = denoiser
        self._caps = caps
        self._unet = unet
        self._release = release
        self._one_stage_at_a_time = one_stage_at_a_time
        self._stage = Stage.BASE
        self._loras: tuple[str, ...] = ()
        #: The one whose last step is longest ago comes first.
        self._rows: list[Row] = []
        #: Pixels that each row of a key has been stepped. The key with the least is next, so that rows get equal work.
        self._spent: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def has_room(self, stage: Stage, pixels: int) -> bool:
        """For one more image."""
        if self._one_stage_at_a_time and stage is self._stage and any(row.key.stage is not stage for row in self._rows):
            # Others wait for their model, which comes when this one has nothing left to do.
            return False
        in_flight = sum(pixels_of(row.key) for row in self._rows)
        return self._caps.have_room(in_flight, len(self._rows), pixels)

    def add(self, row: Row) -> None:
        self._spent.setdefault(row.key, min(self._spent.values(), default=0))
        self._rows.append(row)

    def drop(self, row: Row) -> None:
        """Also one that is finished, and so not in flight any more."""
        self._rows = [other for other in self._rows if other is not row]
        self._forget_keys()

    def step(self) -> Sequence[Row]:
        """Steps one batch and returns its rows; those that are finished are no longer in flight.

        Raises TooLarge or StepFailed; the rows are then still in flight.
        """
        key = self._next_key()
        rows = [row for row in self._rows if row.key == key]
        while not self._fits(key, batch := rows[: self._caps.per_call(pixels_of(key))]):
            # Not where the error is caught: its traceback holds the tensors that are to be given back.
            self._denoiser.forget()
            self._release()
            if len(batch) == 1:
                raise TooLarge(batch[0])
            self._caps.shrink(pixels_of(key), len(batch) // 2)
        self._spent[key] += pixels_of(key)
        self._rows = [row for row in self._rows if row not in batch] + [row for row in batch if not row.finished]
        self._forget_keys()
        return batch

    def _fits(self, key: Key, batch: Sequence[Row]) -> bool:
        try:
            self._denoiser.step(self._unet(key), batch)
        except torch.OutOfMemoryError:
            return False
        except Exception as error:
            raise StepFailed(batch) from error
        return True

    def _next_key(self) -> Key:
        keys = {row.key: None for row in self._rows}
        if self._one_stage_at_a_time:
            staying = [key for key in keys if key.stage is self._stage]
            keys = dict.fromkeys(staying or keys)
        ahead = SWAP_AFTER * max(map(pixels_of, keys))
        key = min(keys, key=lambda key: self._spent[key] - (ahead if key.loras == self._loras else 0))
        self._stage, self._loras = key.stage, key.loras
        return key

    def _forget_keys(self) -> None:
        keys = {row.key for row in self._rows}
        self._spent = {key: spent for key, spent in self._spent.items() if key in keys}
        if not keys:
            self._denoiser.forget()
