"""Certificates: made once, kept, renewed; and those that an operator brings."""

import pickle
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bot.doctor import _certificate
from bot.errors import CannotStart
from bot.marks.authority import LIFE, PrivateKey, _usage, anchors, operators_signer, own_signer
from bot.marks.credentials import Claim, State, read, signed
from bot.settings import Settings
from tests.bot.marks.kinds import flat, plain_png

CLAIM = Claim("image-1", "demo", None, time.time())
PNG = plain_png(flat(64, 1, 2, 3))


def state_of(encoded: bytes, trusted: bytes | None) -> State:
    found = read(encoded, "png", trusted)
    assert found is not None
    return found.state


def test_the_same_ever_after(tmp_path: Path) -> None:
    signer = own_signer(tmp_path, time.time())

    assert own_signer(tmp_path, time.time() + 1000) == signer
    assert signer.own
    assert {path.name for path in tmp_path.iterdir()} == {"credentials"}
    assert {path.name for path in (tmp_path / "credentials").iterdir()} == {"certificate.pem", "key.pem"}


def test_it_says_plainly_that_nobody_vouches(tmp_path: Path) -> None:
    leaf, authority = x509.load_pem_x509_certificates(own_signer(tmp_path, time.time()).certificates)

    for certificate in (leaf, authority):
        assert "not trusted" in certificate.subject.rfc4514_string()
        assert "Untrusted local authority" in certificate.subject.rfc4514_string()
    leaf.verify_directly_issued_by(authority)


def test_openssl_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    leaf, authority = x509.load_pem_x509_certificates(own_signer(tmp_path, time.time()).certificates)
    for name, certificate in (("leaf", leaf), ("authority", authority)):
        (tmp_path / name).write_bytes(certificate.public_bytes(Encoding.PEM))
    asked = ["openssl", "verify", "-x509_strict", "-purpose", "smimesign", "-CAfile", "authority", "leaf"]

    assert subprocess.run(asked, cwd=tmp_path, capture_output=True, check=True).stdout == b"leaf: OK\n"


def test_the_key_is_for_its_owner_alone_and_never_shown(tmp_path: Path) -> None:
    signer = own_signer(tmp_path, time.time())

    assert stat.S_IMODE((tmp_path / "credentials" / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "credentials").stat().st_mode) == 0o700
    assert "PRIVATE" not in repr(signer)
    assert b"PRIVATE" not in signer.certificates


def test_a_worker_gets_it_whole(tmp_path: Path) -> None:
    signer = own_signer(tmp_path, time.time())

    assert pickle.loads(pickle.dumps(signer)) == signer


@pytest.mark.parametrize("left", [timedelta(days=29), timedelta(days=-1)])
def test_what_is_about_to_end_is_made_anew_and_the_old_one_is_still_known(tmp_path: Path, left: timedelta) -> None:
    begun = time.time() - (LIFE - left).total_seconds()
    old = own_signer(tmp_path, begun)
    new = own_signer(tmp_path, time.time())

    assert new != old
    assert own_signer(tmp_path, time.time()) == new
    known = anchors(tmp_path, None)
    assert known is not None
    assert old.certificates in known
    assert new.certificates in known


def test_nothing_is_known_where_nothing_was_signed(tmp_path: Path) -> None:
    assert anchors(tmp_path, None) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["certificate.pem", "key.pem"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\n"])
def test_what_is_damaged_is_told_with_what_to_do(tmp_path: Path, name: str, content: bytes | None) -> None:
    own_signer(tmp_path, time.time())
    file = tmp_path / "credentials" / name
    file.unlink() if content is None else file.write_bytes(content)

    with pytest.raises(CannotStart, match=r"credentials.*move .* away"):
        own_signer(tmp_path, time.time())


def test_a_key_of_another_certificate_is_damage(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        own_signer(tmp_path / name, time.time())
    (tmp_path / "a/credentials/key.pem").write_bytes((tmp_path / "b/credentials/key.pem").read_bytes())

    with pytest.raises(CannotStart, match="does not belong"):
        own_signer(tmp_path / "a", time.time())


def test_another_limner_is_not_trusted_though_its_certificate_has_the_same_name(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here, there = (own_signer(tmp_path / name, time.time()) for name in ("here", "there"))

    assert state_of(signed(PNG, "png", CLAIM, here), here.certificates) is State.TRUSTED
    assert state_of(signed(PNG, "png", CLAIM, there), here.certificates) is State.UNTRUSTED
    assert state_of(signed(PNG, "png", CLAIM, here), None) is State.UNTRUSTED


# What an operator brings.


def issue(
    key: PrivateKey,
    name: str,
    authority: tuple[PrivateKey, str],
    *,
    ca: bool = False,
    days: tuple[int, int] = (-1, 90),
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
) -> x509.Certificate:
    authority_key, authority_name = authority
    now = datetime.now(UTC)
    subject, issuer = (
        x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, each), x509.NameAttribute(NameOID.COMMON_NAME, each)])
        for each in (name, authority_name)
    )
    known = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known), critical=False)
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    algorithm = None if isinstance(authority_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(authority_key, algorithm)


AUTHORITY_KEY = ec.generate_private_key(ec.SECP256R1())
AUTHORITY = (AUTHORITY_KEY, "A true authority")
ROOT = issue(AUTHORITY_KEY, AUTHORITY[1], AUTHORITY, ca=True)


def brought(
    folder: Path,
    key: PrivateKey,
    *certificates: x509.Certificate,
    encryption: KeySerializationEncryption | None = None,
    form: PrivateFormat = PrivateFormat.PKCS8,
) -> tuple[Path, Path]:
    certificate, secret = folder / "chain.pem", folder / "secret.pem"
    certificate.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
    secret.write_bytes(key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()))
    return certificate, secret


def keys() -> Iterator[tuple[PrivateKey, str, PrivateFormat]]:
    yield ec.generate_private_key(ec.SECP256R1()), "es256", PrivateFormat.TraditionalOpenSSL
    yield ec.generate_private_key(ec.SECP384R1()), "es384", PrivateFormat.PKCS8
    yield ec.generate_private_key(ec.SECP521R1()), "es512", PrivateFormat.PKCS8
    yield ed25519.Ed25519PrivateKey.generate(), "ed25519", PrivateFormat.PKCS8
    yield rsa.generate_private_key(65537, 2048), "ps256", PrivateFormat.TraditionalOpenSSL


@pytest.mark.parametrize(
    ("key", "algorithm", "form"), list(keys()), ids=lambda each: each if isinstance(each, str) else ""
)
def test_an_operators_certificate_signs(tmp_path: Path, key: PrivateKey, algorithm: str, form: PrivateFormat) -> None:
    paths = brought(tmp_path, key, issue(key, "Studio", AUTHORITY), ROOT, form=form)
    signer = operators_signer(*paths, time.time())

    assert (signer.algorithm, signer.own) == (algorithm, False)
    found = read(signed(PNG, "png", CLAIM, signer), "png", anchors(tmp_path, paths[0]))
    assert found is not None
    assert (found.state, found.signer) == (State.TRUSTED, "Studio / Studio")


def test_who_has_the_same_authority_and_another_name_is_not_trusted(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    paths = brought(tmp_path, key, issue(key, "Studio", AUTHORITY), ROOT)
    mine = operators_signer(*paths, time.time())
    known = anchors(tmp_path, paths[0])
    other = operators_signer(*brought(tmp_path, key, issue(key, "Another", AUTHORITY), ROOT), time.time())
    renewed = operators_signer(*brought(tmp_path, key, issue(key, "Studio", AUTHORITY), ROOT), time.time())

    assert state_of(signed(PNG, "png", CLAIM, mine), known) is State.TRUSTED
    assert state_of(signed(PNG, "png", CLAIM, renewed), known) is State.TRUSTED
    assert state_of(signed(PNG, "png", CLAIM, other), known) is State.UNTRUSTED


def test_a_key_of_somebody_else_is_told(tmp_path: Path) -> None:
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    with pytest.raises(CannotStart, match=r"LIMNER_CERTIFICATE_KEY: .*secret\.pem: the key does not belong"):
        operators_signer(*brought(tmp_path, other, issue(key, "Studio", AUTHORITY), ROOT), time.time())


@pytest.mark.parametrize("days", [(-30, -1), (1, 30)])
def test_a_certificate_that_is_not_valid_today_is_told(tmp_path: Path, days: tuple[int, int]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())

    with pytest.raises(CannotStart, match=r"LIMNER_CERTIFICATE: .*chain\.pem is valid from .* and not today"):
        operators_signer(*brought(tmp_path, key, issue(key, "Studio", AUTHORITY, days=days), ROOT), time.time())


def test_a_certificate_for_another_purpose_is_told(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = issue(key, "Studio", AUTHORITY, purpose=ExtendedKeyUsageOID.SERVER_AUTH)

    with pytest.raises(CannotStart, match=r"chain\.pem cannot sign content credentials: .*"):
        operators_signer(*brought(tmp_path, key, leaf, ROOT), time.time())


def test_a_key_with_a_passphrase_is_told(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    paths = brought(tmp_path, key, issue(key, "Studio", AUTHORITY), encryption=BestAvailableEncryption(b"hush"))

    with pytest.raises(CannotStart, match="passphrase"):
        operators_signer(*paths, time.time())


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("content", [None, b"nonsense"])
def test_files_that_are_missing_or_no_pem_are_named(tmp_path: Path, which: int, content: bytes | None) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    paths = brought(tmp_path, key, issue(key, "Studio", AUTHORITY), ROOT)
    paths[which].unlink() if content is None else paths[which].write_bytes(content)

    with pytest.raises(CannotStart, match=paths[which].name):
        operators_signer(*paths, time.time())


@pytest.mark.parametrize(("days", "is_well"), [(90, True), (29, False)])
def test_the_doctor_says_when_it_is_time_to_renew(tmp_path: Path, days: int, is_well: bool) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    chain, secret = brought(tmp_path, key, issue(key, "Studio", AUTHORITY, days=(-1, days)), ROOT)
    finding = _certificate(Settings(certificate=chain, certificate_key=secret))

    assert finding.what == f"{chain} ends in {days - 1} days"
    assert (finding.remedy is None) is is_well


def test_the_doctor_says_what_is_wrong_with_a_certificate(tmp_path: Path) -> None:
    gone = tmp_path / "gone.pem"
    finding = _certificate(Settings(certificate=gone, certificate_key=gone))

    assert f"{gone} cannot be read" in finding.what
    assert finding.remedy is not None


def test_a_certificate_that_has_ended_meanwhile_signs_nothing(tmp_path: Path) -> None:
    signer = own_signer(tmp_path, time.time() - 2 * LIFE.total_seconds())

    with pytest.raises(Exception, match="not valid at time of signing"):
        signed(PNG, "png", replace(CLAIM, now=time.time()), signer)
