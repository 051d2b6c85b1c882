"""Links to an image that work without a key, for those who cannot be shown it otherwise.

Whoever has the link may see the image: the proof in it can be made with the secret alone.
"""

import base64
import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path

from bot.errors import CannotStart

SECRET_BYTES = 32
#: Keeps the proofs apart from all else that this secret may ever be used for.
DOMAIN = b"limner download link 1\0"


class Links:
    def __init__(self, public_url: str | None, secret: bytes) -> None:
        self._public_url = public_url and public_url.rstrip("/")
        self._secret = secret

    def link(self, image_id: str) -> str | None:
        """None where it is not known under which address the outside world finds this Limner."""
        if not self._public_url:
            return None
        return f"{self._public_url}/download/{image_id}?proof={self._proof(image_id)}"

    def proves(self, image_id: str, proof: str) -> bool:
        """Takes equally long for every wrong proof."""
        return hmac.compare_digest(_encoded(proof), _encoded(self._proof(image_id)))

    def _proof(self, image_id: str) -> str:
        """HMAC-SHA256 as URL-safe base64 without padding."""
        digest = hmac.digest(self._secret, DOMAIN + _encoded(image_id), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def secret(folder: Path) -> bytes:
    """Made the first time, and the same ever after. Blocking. Raises CannotStart where the file is damaged."""
    path = folder / "secret"
    if not path.exists():
        _keep(secrets.token_bytes(SECRET_BYTES), path)
    content = path.read_bytes()
    if len(content) != SECRET_BYTES:
        raise CannotStart(f"{path} is damaged. Delete it; links to images that were sent before then work no more.")
    return content


def _keep(content: bytes, path: Path) -> None:
    """The name appears with all bytes on the disk, readable by the owner alone; what has that name already stays."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".secret-") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        try:
            os.link(file.name, path)
        except FileExistsError:
            return


def _encoded(text: str) -> bytes:
    """Of whatever a URL may hold."""
    return text.encode("utf-8", "surrogatepass")
