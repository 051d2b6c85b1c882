"""Puts the marks on: the watermark into the pixels, recipe, XMP and content credentials into the file."""

import io
import json
from dataclasses import asdict, dataclass
from functools import partial

import structlog
from c2pa import C2paError
from PIL import Image as Picture
from PIL.PngImagePlugin import PngInfo

import bot
from bot import pictures
from bot.jobs import Image, Recipe
from bot.marks import xmp
from bot.marks.credentials import Claim, Kind, Parent, Signer, signed
from bot.pictures import Encoded

#: Text chunks of a PNG: the recipe as JSON, and the image's ID.
RECIPE_KEY, ID_KEY = "limner", "limner-id"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Marker:
    """Without arguments it writes what costs nothing: recipe and XMP. Blocking; any thread may use it."""

    watermark: bool = False
    #: None: no content credentials.
    signer: Signer | None = None

    def mark(self, picture: Picture.Image, image_id: str, recipe: Recipe, *, parent: bytes | None, now: float) -> bytes:
        """The PNG of a picture in RGB that was just painted; `parent` is the PNG that it was refined from."""
        if self.watermark:
            picture = _watermarked(picture)
        text = PngInfo()
        text.add_text("Software", f"Limner {bot.__version__}")
        text.add_text(ID_KEY, image_id)
        text.add_itxt(RECIPE_KEY, recipe.to_json())
        text.add_itxt(xmp.PNG_KEY, xmp.packet(image_id, None).decode())
        file = io.BytesIO()
        picture.save(file, "PNG", pnginfo=text, compress_level=4)
        made_from = None if parent is None else Parent(parent, recipe.parent_id or "")
        return self._signed(file.getvalue(), "png", claim=Claim(image_id, recipe.model, made_from, now))

    def fitting(self, image: Image, png: bytes, limit: int, now: float) -> Encoded | None:
        """As that of bot.pictures; other formats than PNG keep the marks that they can carry.

        A picture that somebody brought has none: Limner did not paint it.
        """
        if image.recipe is None:
            return pictures.fitting(png, limit)
        # In ASCII, as XML has no place for some characters.
        packet = xmp.packet(image.id, json.dumps(asdict(image.recipe)))
        claim = Claim(image.id, None, Parent(png, image.id), now)
        return pictures.fitting(png, limit, xmp=packet, finished=partial(self._signed, claim=claim))

    def _signed(self, encoded: bytes, kind: Kind, *, claim: Claim) -> bytes:
        """As it is where it cannot be signed: no picture is lost because a certificate ended while Limner runs."""
        if self.signer is None:
            return encoded
        try:
            return signed(encoded, kind, claim, self.signer)
        except C2paError as error:
            log.warning("an image goes without content credentials", image=claim.image_id, why=str(error))
            return encoded


#: For whoever asks for no more.
PLAIN = Marker()


def _watermarked(picture: Picture.Image) -> Picture.Image:
    # Here, as the serving process makes no watermarks, and numpy would cost it some megabytes.
    import numpy as np

    from bot.marks import watermark

    return Picture.fromarray(watermark.embed(np.asarray(picture)))
