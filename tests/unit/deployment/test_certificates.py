"""The private authority and the broker's certificate: what they say, how long, and when a new one is due."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from pdm_platform.deployment.certificates import (
    LOCAL_NAMES,
    CertificateError,
    KeyPair,
    expiry,
    issue_server,
    make_ca,
    names_in,
    why_renew,
)
from tests.unit.deployment.conftest import NOW

CA = make_ca(NOW)
SERVER = issue_server(CA, ["plant.example", "10.0.0.5"], NOW)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def parsed(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate)


def key_usage(pair: KeyPair) -> set[str]:
    usage = parsed(pair).extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    return {name for name in (*names, "key_cert_sign", "crl_sign") if getattr(usage.value, name)}


def test_the_authority_signs_certificates_directly_below_it_for_ten_years_and_does_nothing_else() -> None:
    limits = parsed(CA).extensions.get_extension_for_class(x509.BasicConstraints)

    assert limits.critical
    assert (limits.value.ca, limits.value.path_length) == (True, 0)
    assert key_usage(CA) == {"key_cert_sign", "crl_sign"}
    assert expiry(CA.certificate) - NOW == 3653 * DAY


def test_the_broker_s_certificate_is_for_a_server_and_signs_nothing() -> None:
    extensions = parsed(SERVER).extensions

    assert key_usage(SERVER) == {"digital_signature"}
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_the_broker_s_certificate_lasts_thirteen_months_and_begins_an_hour_ago_for_clocks_that_lag() -> None:
    assert expiry(SERVER.certificate) - NOW == 397 * DAY
    assert parsed(SERVER).not_valid_before_utc == NOW - HOUR == parsed(CA).not_valid_before_utc


def test_the_certificate_stands_for_the_given_names_and_for_those_inside_of_the_stack() -> None:
    alternatives = parsed(SERVER).extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert alternatives.get_values_for_type(x509.DNSName) == ["localhost", "mosquitto", "plant.example"]
    assert [str(ip) for ip in alternatives.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1", "10.0.0.5"]
    assert names_in(SERVER.certificate) == {*LOCAL_NAMES, "plant.example", "10.0.0.5"}


def test_a_name_given_twice_stands_in_it_once() -> None:
    issued = issue_server(CA, ["localhost", "a.example", "a.example"], NOW)
    alternatives = parsed(issued).extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert len(alternatives) == len(LOCAL_NAMES) + 1


@pytest.mark.parametrize(
    ("authority", "name", "moment", "accepted"),
    [
        (CA, "plant.example", NOW, True),
        (CA, "localhost", NOW + 396 * DAY, True),
        (CA, "other.example", NOW, False),
        (CA, "localhost", NOW + 398 * DAY, False),
        (CA, "localhost", NOW - 2 * HOUR, False),
        (make_ca(NOW), "localhost", NOW, False),
    ],
    ids=["its name", "its last day", "another name", "too late", "too early", "another authority"],
)
def test_a_client_accepts_it_for_its_names_in_its_time_from_its_authority_only(
    authority: KeyPair, name: str, moment: object, accepted: bool
) -> None:
    verifier = (
        PolicyBuilder()
        .store(Store([parsed(authority)]))
        .time(moment)  # type: ignore[arg-type]
        .build_server_verifier(x509.DNSName(name))
    )
    if accepted:
        assert len(verifier.verify(parsed(SERVER), [])) == 2
    else:
        with pytest.raises(VerificationError):
            verifier.verify(parsed(SERVER), [])


def test_two_authorities_differ_in_their_names() -> None:
    assert parsed(CA).subject != parsed(make_ca(NOW)).subject


def test_a_certificate_does_not_outlive_its_authority() -> None:
    issued = issue_server(CA, [], NOW + 3600 * DAY)

    assert expiry(issued.certificate) == expiry(CA.certificate)


def test_an_expired_authority_signs_nothing_and_the_error_says_what_to_do() -> None:
    with pytest.raises(CertificateError, match="expired on 2036-03-01") as refused:
        issue_server(CA, [], NOW + 3653 * DAY)

    assert "pdmctl secrets init" in refused.value.hint


def test_no_private_key_is_in_what_a_log_would_print() -> None:
    assert "PRIVATE" not in repr(CA)
    assert CA.key.decode()[40:80] not in repr(CA)


# -- when a new one is due


@pytest.mark.parametrize(
    ("server", "names", "days", "reason"),
    [
        (SERVER, [], 0, ""),
        (SERVER, ["plant.example", "10.0.0.5"], 367, ""),
        (SERVER, [], 368, "good until 2027-04-02 only"),
        (SERVER, ["new.example", "::2"], 0, "does not stand for new.example, ::2"),
        (replace(SERVER, key=issue_server(CA, [], NOW).key), [], 0, "the key is another certificate's"),
        (issue_server(make_ca(NOW), [], NOW), [], 0, "another authority signed it"),
    ],
    ids=["good", "30 days left", "29 days left", "new names", "another's key", "another authority"],
)
def test_a_certificate_is_renewed_for_a_reason_and_only_then(
    server: KeyPair, names: list[str], days: int, reason: str
) -> None:
    found = why_renew(CA.certificate, server, names, NOW + timedelta(days=days))

    assert reason in found
    assert bool(found) is bool(reason)


def test_the_same_address_written_otherwise_is_no_reason_for_a_new_certificate() -> None:
    issued = issue_server(CA, ["2001:db8::1"], NOW)

    assert why_renew(CA.certificate, issued, ["2001:0DB8:0:0:0:0:0:1"], NOW) == ""


# -- what cannot be read


def test_what_is_no_certificate_or_key_is_refused_without_telling_the_key() -> None:
    with pytest.raises(CertificateError, match="is no PEM certificate"):
        expiry(b"nonsense")
    with pytest.raises(CertificateError, match="a private key cannot be read") as refused:
        issue_server(replace(CA, key=CA.key[:60]), [], NOW)

    assert CA.key.decode()[30:50] not in str(refused.value)


def test_a_certificate_without_alternative_names_stands_for_nothing() -> None:
    assert names_in(CA.certificate) == frozenset()
