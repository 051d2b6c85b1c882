"""C2PA content credentials: a signed statement in the file of what made it, and what such statements say.

Never in them: prompts, who asked, thumbnails. What somebody erases must not live on in a file that was refined from it.
Nothing is asked of the network: no time stamps, no manifests that lie elsewhere, no revocation lists.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import PurePath
from typing import Any, Literal

import c2pa
from cryptography import x509
from cryptography.x509.oid import NameOID
from PIL import Image

import bot

Kind = Literal["png", "webp", "jpg"]

#: By IPTC's definition "created algorithmically using an AI model trained on captured content". Also for refinements:
#: each of their pixels comes out of the model, however little changed. IPTC's other term, for composites, is for
#: pictures of which parts are kept as they were.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MIME_TYPES: Mapping[str, str] = {"png": "image/png", "webp": "image/webp", "jpg": "image/jpeg"}
#: Bytes of credentials that a parent hands on at most: each refinement adds some thousand.
HANDED_ON_MAX = 256 * 1024
#: What all credentials have in them.
LABEL = b"c2pa"
#: In a PNG.
CREDENTIALS_CHUNK = b"caBX"
PNG_HEAD = 8
#: In the settings of C2PA's library.
ALONE: Mapping[str, Any] = {
    "version": 1,
    "core": {"allowed_network_hosts": []},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False},
    "builder": {
        "thumbnail": {"enabled": False},
        "actions": {
            f"auto_{action}_action": {"enabled": False, "source_type": None}
            for action in ("created", "opened", "placed")
        },
    },
}
#: Of the signature's certificate; it is told by the state.
UNTRUSTED = "signingCredential.untrusted"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who vouches."""

    #: In PEM: the leaf, then who vouches for it.
    certificates: bytes
    #: In PEM, PKCS #8.
    private_key: bytes = field(repr=False)
    #: As C2PA names it: es256, ps256, ed25519.
    algorithm: str
    #: This Limner made it, so nobody else knows it.
    own: bool

    @property
    def ends(self) -> float:
        """When its certificate does, in seconds since 1970."""
        return x509.load_pem_x509_certificates(self.certificates)[0].not_valid_after_utc.timestamp()


@dataclass(frozen=True, slots=True)
class Parent:
    """What an image was made from."""

    encoded: bytes
    title: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What is signed."""

    image_id: str
    #: None where no model was at work: the same image in another format.
    model: str | None
    parent: Parent | None
    now: float


class State(StrEnum):
    #: Whole, and signed by who is trusted here.
    TRUSTED = "trusted"
    #: Whole, and signed by somebody unknown here.
    UNTRUSTED = "untrusted"
    #: The file or the statement was changed after it was signed, or cannot be read.
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the newest statement in a file says; worth something only where it is not broken."""

    state: State
    #: What is wrong with it, in the words of C2PA's library.
    reasons: Sequence[str] = ()
    signer: str | None = None
    #: By the signer's clock, as ISO 8601.
    when: str | None = None
    actions: Sequence[str] = ()
    source_type: str | None = None
    model: str | None = None
    #: Limner names the image's ID.
    title: str | None = None
    parent: str | None = None


def signed(encoded: bytes, kind: Kind, claim: Claim, signer: Signer) -> bytes:
    """The file with credentials, in place of any that it had. Raises C2paError."""
    parent = claim.parent
    if parent is None:
        return _signed(encoded, kind, claim, signer)
    if _may_hand_on(parent.encoded):
        # What Pillow can read is not always taken.
        with suppress(c2pa.C2paError):
            return _signed(encoded, kind, claim, signer)
    bare = replace(claim, parent=replace(parent, encoded=_pixels_of(parent.encoded)))
    return _signed(encoded, kind, bare, signer)


def _signed(encoded: bytes, kind: Kind, claim: Claim, signer: Signer) -> bytes:
    info = c2pa.C2paSignerInfo(signer.algorithm, signer.certificates, signer.private_key, None)
    into = io.BytesIO()
    with (
        c2pa.Context.from_dict(dict(ALONE)) as context,
        c2pa.Builder(json.dumps(_manifest(claim)), context) as builder,
        c2pa.Signer.from_info(info) as key,
    ):
        if claim.parent is not None:
            ingredient = {"title": claim.parent.title, "relationship": "parentOf", "label": "parent"}
            builder.add_ingredient(json.dumps(ingredient), MIME_TYPES["png"], io.BytesIO(claim.parent.encoded))
        builder.sign(key, MIME_TYPES[kind], io.BytesIO(encoded), into)
    return into.getvalue()


def read(encoded: bytes, kind: Kind, anchors: bytes | None = None) -> Credentials | None:
    """None where there are none. `anchors`: certificates in PEM of who is trusted, each with who vouches for it."""
    try:
        store = _store(encoded, kind, anchors)
    except c2pa.C2paError as error:
        # Of files that it cannot take apart, most never had any.
        return Credentials(state=State.BROKEN, reasons=(str(error),)) if LABEL in encoded else None
    if store is None:
        return None
    manifest = store.get("manifests", {}).get(store.get("active_manifest"))
    if manifest is None:
        return Credentials(state=State.BROKEN, reasons=("There is no statement that counts.",))
    state = _state(store, manifest, anchors)
    actions = list(_actions(manifest))
    parents = [each for each in manifest.get("ingredients", ()) if each.get("relationship") == "parentOf"]
    return Credentials(
        state=state,
        reasons=tuple(_reasons(store)) if state is State.BROKEN else (),
        signer=_signer(manifest.get("signature_info", {})),
        when=_first(actions, "when"),
        actions=tuple(str(action.get("action")) for action in actions),
        source_type=_first(actions, "digitalSourceType"),
        model=_model(actions),
        title=manifest.get("title"),
        parent=parents[0].get("title") if parents else None,
    )


def _manifest(claim: Claim) -> dict[str, Any]:
    when = datetime.fromtimestamp(claim.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    limner = {"name": "Limner", "version": bot.__version__}
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["parent"]}}
    deed: dict[str, Any] = {"action": "c2pa.transcoded", "when": when, "softwareAgent": limner}
    if claim.model is not None:
        action = "c2pa.created" if claim.parent is None else "c2pa.edited"
        agent = {"name": _name(claim.model)}
        deed = {"action": action, "when": when, "softwareAgent": agent, "digitalSourceType": SOURCE_TYPE}
    actions = [deed] if claim.parent is None else [opened, deed]
    return {
        "claim_generator_info": [limner],
        "title": claim.image_id,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions, "allActionsIncluded": True}}],
    }


def _name(model: str) -> str:
    """Of a folder its name alone: where it lies is nobody's business."""
    return PurePath(model).name if model.startswith(("/", ".", "~")) else model


def _store(encoded: bytes, kind: Kind, anchors: bytes | None) -> dict[str, Any] | None:
    settings = dict(ALONE) if anchors is None else {**ALONE, "trust": {"trust_anchors": anchors.decode()}}
    try:
        with (
            c2pa.Context.from_dict(settings) as context,
            c2pa.Reader(MIME_TYPES[kind], io.BytesIO(encoded), context=context) as reader,
        ):
            store: dict[str, Any] = json.loads(reader.json())
            return store
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.RemoteManifest):
        return None


def _state(store: Mapping[str, Any], manifest: Mapping[str, Any], anchors: bytes | None) -> State:
    """Trusted is who has the name of one of these, and is vouched for by one of these; later certificates, too."""
    if store.get("validation_state") not in ("Valid", "Trusted"):
        return State.BROKEN
    if anchors is None or store["validation_state"] != "Trusted":
        return State.UNTRUSTED
    names = {tuple(_names(each.subject)) for each in x509.load_pem_x509_certificates(anchors) if not _vouches(each)}
    info = manifest.get("signature_info", {})
    return State.TRUSTED if (info.get("common_name"), info.get("issuer")) in names else State.UNTRUSTED


def _names(subject: x509.Name) -> Iterator[str | bytes | None]:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        found = subject.get_attributes_for_oid(kind)
        yield found[0].value if found else None


def _vouches(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _may_hand_on(parent: bytes) -> bool:
    """Whether a parent's credentials go along: no pictures in them, and they do not grow for ever."""
    length = sum(size for kind, _, size in _chunks(parent) if kind == CREDENTIALS_CHUNK)
    if length == 0:
        return _names_no_others(parent)
    if length > HANDED_ON_MAX:
        return False
    try:
        store = _store(parent, "png", None)
    except c2pa.C2paError:
        return False
    return store is None or "thumbnail" not in json.dumps(store)


def _names_no_others(parent: bytes) -> bool:
    """Its XMP could name credentials that lie elsewhere."""
    return b"dcterms:provenance" not in parent


def _pixels_of(parent: bytes) -> bytes:
    """The same picture without a word."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(parent)) as picture:
        Image.frombytes("RGB", picture.size, picture.convert("RGB").tobytes()).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _chunks(png: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, where it begins, and bytes of what is in it."""
    at = PNG_HEAD
    while len(head := png[at : at + 8]) == 8:
        size = int.from_bytes(head[:4])
        yield head[4:], at, size
        at += 12 + size


def _actions(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for assertion in manifest.get("assertions", ()):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            yield from assertion.get("data", {}).get("actions", ())


def _first(actions: Sequence[Mapping[str, Any]], name: str) -> str | None:
    return next((str(action[name]) for action in actions if action.get(name)), None)


def _model(actions: Sequence[Mapping[str, Any]]) -> str | None:
    """Who did what is said to be of a machine's making."""
    for action in actions:
        agent = action.get("softwareAgent")
        if action.get("digitalSourceType") and agent:
            return str(agent.get("name")) if isinstance(agent, Mapping) else str(agent)
    return None


def _signer(info: Mapping[str, Any]) -> str | None:
    names = [str(info[name]) for name in ("common_name", "issuer") if info.get(name)]
    return " / ".join(names) or None


def _reasons(store: Mapping[str, Any]) -> Iterator[str]:
    for status in store.get("validation_status", ()):
        if status.get("code") != UNTRUSTED:
            yield str(status.get("explanation") or status.get("code"))
