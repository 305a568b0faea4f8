"""Keys: where they come from, and which are refused."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from flows.record import signing
from flows.record.signing import Head, KeyUnusable


def test_a_made_key_is_its_owners_alone(tmp_path: Path) -> None:
    made = signing.generate(tmp_path / "keys" / "key.pem")

    assert stat.S_IMODE((tmp_path / "keys" / "key.pem").stat().st_mode) == 0o600
    assert signing.load(tmp_path / "keys" / "key.pem", {}).keyid == made.keyid


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    made = signing.generate(tmp_path / "key.pem")

    with pytest.raises(FileExistsError):
        signing.generate(tmp_path / "key.pem")

    assert signing.load(tmp_path / "key.pem", {}).keyid == made.keyid


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    signing.generate(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(mode)

    with pytest.raises(KeyUnusable, match="chmod 600"):
        signing.load(tmp_path / "key.pem", {})


@pytest.mark.parametrize("end", ["\n", "\\n"])
def test_the_variable_comes_before_the_file(tmp_path: Path, end: str) -> None:
    signing.generate(tmp_path / "key.pem")
    other = signing.generate(tmp_path / "other.pem")
    pem = other.crypto.private_bytes.decode().replace("\n", end)

    loaded = signing.load(tmp_path / "key.pem", {signing.VARIABLE: pem})

    assert loaded.keyid == other.keyid
    assert loaded.head_file is None


def test_without_any_key_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="ROLLCALL_SIGNING_KEY"):
        signing.load(tmp_path / "key.pem", {})


def unusable_pems(made: signing.Signer) -> dict[str, bytes]:
    """Private keys that cannot sign evidence, by what the message says of them."""
    other, private = generate_ec(SECP256R1()), made.crypto._private_key
    form = (Encoding.PEM, PrivateFormat.PKCS8)
    return {
        "not an Ed25519 key": other.private_bytes(*form, NoEncryption()),
        "no unencrypted private key": private.private_bytes(*form, BestAvailableEncryption(b"secret")),
        "holds no": b"no key at all",
    }


def test_keys_that_cannot_be_used_are_refused_without_showing_them(tmp_path: Path) -> None:
    for words, pem in unusable_pems(signing.generate(tmp_path / "key.pem")).items():
        with pytest.raises(KeyUnusable, match=words) as caught:
            signing.load(None, {signing.VARIABLE: pem.decode()})
        assert pem.decode() not in str(caught.value)


def test_public_keys_can_be_kept_together_or_apart(tmp_path: Path) -> None:
    signers = [signing.generate(tmp_path / f"{n}.pem") for n in range(3)]
    pems = [signing.public_pem(signer) for signer in signers]
    (tmp_path / "both.pub").write_bytes(b"# the key until March\n" + pems[0] + b"\n" + pems[1])
    (tmp_path / "new.pub").write_bytes(pems[2])

    keys = signing.read_public([tmp_path / "both.pub", tmp_path / "new.pub"])

    assert [key.keyid for key in keys] == [signer.keyid for signer in signers]


def test_a_private_key_is_no_public_one(tmp_path: Path) -> None:
    signing.generate(tmp_path / "key.pem")

    with pytest.raises(KeyUnusable, match="no public key"):
        signing.read_public([tmp_path / "key.pem"])


def test_the_furthest_head_counts_whatever_comes_after_it(tmp_path: Path) -> None:
    signer = signing.generate(tmp_path / "key.pem")
    assert signer.noted() is None
    for seq in [*range(1, 200), 201, 200]:
        signer.note(Head(seq, f"{seq:064}"))

    assert signer.noted() == Head(201, f"{201:064}")
