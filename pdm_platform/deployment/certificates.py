"""The plant's own certificate authority, and the broker's certificate that it signs."""

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pdm_platform.contract.errors import PdmError
from pdm_platform.deployment.settings import is_address

CA_LIFE: Final = timedelta(days=3653)
# the longest that clients of today take from a public authority; nothing gains from more
SERVER_LIFE: Final = timedelta(days=397)
RENEW_BEFORE: Final = timedelta(days=30)
# always in the certificate: the host itself, and the name inside the compose network
LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1", "mosquitto")
# a device whose clock lags must not refuse a certificate made a moment ago
_BACKDATED: Final = timedelta(hours=1)


class CertificateError(PdmError):
    """A certificate or its key cannot be read, or do not belong together."""

    code = "PDM-SECRETS-002"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and its certificate, both PEM. The key is not in its repr."""

    key: bytes = field(repr=False)
    certificate: bytes


def make_ca(now: datetime) -> KeyPair:
    """A new authority: EC P-256, good for ten years, for certificates directly below it only.

    now: aware time from which it is good. Its name holds a random part, so that two plants' authorities differ.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named(f"PdM private CA {secrets.token_hex(4)}")
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = (
        _certificate(name, name, key.public_key(), now, CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return _signed(builder, key, key)


def issue_server(ca: KeyPair, names: Sequence[str], now: datetime) -> KeyPair:
    """A new key and certificate for the broker, for `LOCAL_NAMES` and `names` (host names, IP addresses).

    now: aware time from which it is good, for 397 days, though never beyond its authority's end.
    Raises CertificateError where the authority cannot be read or has expired.
    """
    ca_key, authority = _private_key(ca.key), _parsed(ca.certificate)
    life = min(SERVER_LIFE, authority.not_valid_after_utc - now)
    if life <= timedelta(0):
        raise CertificateError(
            f"the authority expired on {authority.not_valid_after_utc:%Y-%m-%d}",
            hint="Move the folder `ca` away and run `pdmctl secrets init`; every device then needs the new ca.crt.",
        )
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = x509.SubjectAlternativeName([_alternative(name) for name in dict.fromkeys((*LOCAL_NAMES, *names))])
    builder = (
        _certificate(_named("PdM broker"), authority.subject, key.public_key(), now, life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(alternatives, critical=False)
    )
    return _signed(builder, key, ca_key)


def expiry(certificate: bytes) -> datetime:
    """The moment, UTC, after which a PEM certificate is no longer good. Raises CertificateError."""
    return _parsed(certificate).not_valid_after_utc


def names_in(certificate: bytes) -> frozenset[str]:
    """Host names and addresses a PEM certificate stands for. Raises CertificateError."""
    try:
        found = _parsed(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = found.get_values_for_type(x509.IPAddress)
    return frozenset([*found.get_values_for_type(x509.DNSName), *map(str, addresses)])


def why_renew(authority_certificate: bytes, server: KeyPair, names: Sequence[str], now: datetime) -> str:
    """Why the broker needs a new certificate, '' where it does not. Raises CertificateError for unreadable ones."""
    certificate = _parsed(server.certificate)
    if _private_key(server.key).public_key() != certificate.public_key():
        return "the key is another certificate's"
    try:
        certificate.verify_directly_issued_by(_parsed(authority_certificate))
    except (ValueError, InvalidSignature):
        return "another authority signed it"
    if certificate.not_valid_after_utc - now < RENEW_BEFORE:
        return f"it is good until {certificate.not_valid_after_utc:%Y-%m-%d} only"
    missing = [name for name in (*LOCAL_NAMES, *names) if _normal(name) not in names_in(server.certificate)]
    return f"it does not stand for {', '.join(missing)}" if missing else ""


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - _BACKDATED)
        .not_valid_after(now.astimezone(UTC) + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, ca_key: ec.EllipticCurvePrivateKey
) -> KeyPair:
    # strict verifiers, Python 3.13's among them, want the authority's key identifier
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    certificate = builder.add_extension(authority, critical=False).sign(ca_key, hashes.SHA256())
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(key_pem, certificate.public_bytes(serialization.Encoding.PEM))


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if is_address(name) else x509.DNSName(name)


def _normal(name: str) -> str:
    return str(ipaddress.ip_address(name)) if is_address(name) else name


def _parsed(certificate: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate)
    except ValueError as error:
        raise CertificateError(f"{certificate[:40]!r} is no PEM certificate: {error}") from None


def _private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise CertificateError(f"a private key cannot be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateError("a private key is not of an elliptic curve")
    return key
