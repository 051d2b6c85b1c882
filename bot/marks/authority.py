"""Who signs: the operator's certificate, or one that this Limner made itself and that says plainly what it is worth."""

import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import c2pa
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from bot.errors import CannotStart
from bot.marks.credentials import Claim, Signer, State, read, signed

FOLDER = "credentials"
CERTIFICATE, KEY = "certificate.pem", "key.pem"
LIFE = timedelta(days=20 * 365)
#: Before its end a certificate is made anew.
RENEWAL = timedelta(days=30)
#: A clock that is a little late still finds it valid.
EARLIER = timedelta(days=1)
ORGANIZATION = "Untrusted local authority"
COMMON_NAMES = "Limner, self-made authority, not trusted", "Limner, self-made, not trusted"
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def own_signer(data_folder: Path, now: float) -> Signer:
    """Made the first time, and again where it is about to end; the old one is kept aside. Blocking.

    Raises CannotStart where it is damaged or cannot be written.
    """
    folder = data_folder / FOLDER
    try:
        if folder.exists() and _end(folder) - RENEWAL < _time(now):
            folder.rename(folder.with_name(f"{FOLDER}.until-{_end(folder):%Y-%m-%d-%H%M%S}"))
        if not folder.exists():
            _make(folder, now)
        return _signer((folder / CERTIFICATE).read_bytes(), (folder / KEY).read_bytes(), own=True)
    except OSError as error:
        raise CannotStart(f"The certificate in {folder} cannot be read or made: {error}. {_remedy(folder)}") from error
    except ValueError as error:
        raise CannotStart(f"The certificate in {folder} is damaged: {error}. {_remedy(folder)}") from error


def operators_signer(certificate: Path, key: Path, now: float) -> Signer:
    """The operator's. Blocking. Raises CannotStart that names the file, and what to do."""
    chain, secret = _content(certificate, "LIMNER_CERTIFICATE"), _content(key, "LIMNER_CERTIFICATE_KEY")
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
    except ValueError as error:
        raise CannotStart(
            f"LIMNER_CERTIFICATE: {certificate} holds no certificate in PEM. It begins with the certificate that "
            "signs, and then those of who vouches for it."
        ) from error
    if not leaf.not_valid_before_utc <= _time(now) <= leaf.not_valid_after_utc:
        raise CannotStart(
            f"LIMNER_CERTIFICATE: {certificate} is valid from {leaf.not_valid_before_utc:%Y-%m-%d} to "
            f"{leaf.not_valid_after_utc:%Y-%m-%d}, and not today. Have it renewed, or take the setting away."
        )
    try:
        signer = _signer(chain, secret, own=False)
    except ValueError as error:
        raise CannotStart(f"LIMNER_CERTIFICATE_KEY: {key}: {error}.") from error
    if trouble := _trouble(signer, now):
        raise CannotStart(
            f"LIMNER_CERTIFICATE: {certificate} cannot sign content credentials: {trouble}. C2PA asks for "
            "one for digital signatures and email protection that an authority signed; docs/marks.md says more."
        )
    return signer


def anchors(data_folder: Path, certificate: Path | None) -> bytes | None:
    """Certificates, in PEM, of whoever signs here; none where nothing was signed yet. Makes nothing. Blocking."""
    paths = [*([certificate] if certificate else []), *sorted(data_folder.glob(f"{FOLDER}*/{CERTIFICATE}"))]
    return b"\n".join(path.read_bytes() for path in paths if path.is_file()) or None


def _content(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CannotStart(f"{setting}: {path} cannot be read: {error.strerror}.") from error


def _remedy(folder: Path) -> str:
    return (
        f"Restore it from a backup, or move {folder} away: a new one is then made, and does not know what was signed "
        "with the old one."
    )


def _signer(chain: bytes, secret: bytes, *, own: bool) -> Signer:
    """Raises ValueError where the two do not belong together or are of no use."""
    leaf = x509.load_pem_x509_certificates(chain)[0]
    try:
        key = load_pem_private_key(secret, None)
    except TypeError as error:
        raise ValueError("the key has a passphrase; write it without one, readable by Limner alone") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("this is no private key in PEM") from error
    if not isinstance(key, PrivateKey):
        raise ValueError("keys are of elliptic curves (P-256, P-384, P-521), Ed25519 or RSA")
    if leaf.public_key() != key.public_key():
        raise ValueError("the key does not belong to the certificate")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Signer(chain, pem, _algorithm(key), own)


def _algorithm(key: PrivateKey) -> str:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if key.curve.name not in CURVES:
        raise ValueError(f"the curve {key.curve.name} is not among those of C2PA: P-256, P-384, P-521")
    return CURVES[key.curve.name]


def _trouble(signer: Signer, now: float) -> str | None:
    """What C2PA's library has against it, found by signing a picture of one pixel."""
    file = BytesIO()
    Image.new("RGB", (1, 1)).save(file, "PNG")
    claim = Claim("trial", "trial", None, now)
    try:
        found = read(signed(file.getvalue(), "png", claim, signer), "png")
    except c2pa.C2paError as error:
        return str(error)
    assert found is not None
    return "; ".join(found.reasons) if found.state is State.BROKEN else None


def _time(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)


def _end(folder: Path) -> datetime:
    return x509.load_pem_x509_certificates((folder / CERTIFICATE).read_bytes())[0].not_valid_after_utc


def _make(folder: Path, now: float) -> None:
    """The folder appears with all that is in it on the disk, for the owner alone."""
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{FOLDER}-"))
    try:
        chain, secret = _made(now)
        for name, content in ((CERTIFICATE, chain), (KEY, secret)):
            with os.fdopen(os.open(part / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _made(now: float) -> tuple[bytes, bytes]:
    """Certificates and key of the leaf. The authority signs this once, and its key is thrown away."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name, name = (_name(each) for each in COMMON_NAMES)
    known = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _certificate(authority_name, authority_key.public_key(), authority_name, known, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    leaf = (
        _certificate(name, key.public_key(), authority_name, known, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    )
    chain = [each.sign(authority_key, hashes.SHA256()).public_bytes(Encoding.PEM) for each in (leaf, authority)]
    return b"".join(chain), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _certificate(
    name: x509.Name,
    key: ec.EllipticCurvePublicKey,
    authority: x509.Name,
    authority_key: x509.SubjectKeyIdentifier,
    now: float,
) -> x509.CertificateBuilder:
    begin = _time(now) - EARLIER
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(authority)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
