"""Whatever is done to an exported chain, verifying finds it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner, Key

from flows.record.chain import HEAD, PACKETS, START, Verdict, digest, seal, verify, verify_export
from flows.record.signing import Head, Signer

AT = datetime(2026, 3, 2, 6, tzinfo=UTC)
SIGNER, STRANGER = (Signer(CryptoSigner.generate_ed25519(), None) for _ in range(2))
KEYS: list[Key] = [SIGNER.public_key]


def chain(length: int, signer: Signer = SIGNER, word: str = "run") -> list[str]:
    """Sealed packets, each after the one before."""
    packets, head = [], START
    for number in range(length):
        packets.append(seal(signer, head, {"run_id": f"{word} {number}"}, AT))
        head = Head(head.seq + 1, digest(packets[-1]))
    return packets


def head_of(packets: list[str]) -> Head:
    return Head(len(packets), digest(packets[-1]))


PACKAGED = chain(5)
TOLD = head_of(PACKAGED)


def changed(number: int, change: Callable[[dict[str, object]], object]) -> list[str]:
    """The chain with one envelope changed and written out canonically again."""
    envelope = json.loads(PACKAGED[number - 1])
    change(envelope)
    text = json.dumps(envelope, sort_keys=True, separators=(",", ":"))
    return [*PACKAGED[: number - 1], text, *PACKAGED[number:]]


@dataclass(frozen=True)
class Case:
    packets: list[str]
    seq: int
    what: str


FORK = [*PACKAGED[:4], seal(SIGNER, Head(4, digest(PACKAGED[3])), {"run_id": "another"}, AT)]
CASES = {
    "payload": Case(changed(3, lambda e: e.update(payload="e30=")), 3, "signature does not fit"),
    "signature": Case(changed(2, lambda e: e["signatures"][0].update(sig="AAAA")), 2, "signature does not fit"),
    "type": Case(changed(2, lambda e: e.update(payloadType="text/plain")), 2, "envelope was changed"),
    "key": Case([*PACKAGED[:1], *chain(5, STRANGER)[1:]], 2, "key that was not given"),
    "another chain": Case([*PACKAGED[:1], *chain(5, word="b")[1:]], 2, "does not follow"),
    "removed": Case([*PACKAGED[:2], *PACKAGED[3:]], 3, "it is missing; packet 4 comes instead"),
    "removed first": Case(PACKAGED[1:], 1, "it is missing; packet 2 comes instead"),
    "reordered": Case([PACKAGED[0], PACKAGED[2], PACKAGED[1], *PACKAGED[3:]], 2, "packet 3 comes instead"),
    "again": Case([*PACKAGED[:3], *PACKAGED[2:]], 4, "packet 3 comes here, out of order or again"),
    "truncated": Case(PACKAGED[:3], 4, "the chain ends here, but packet 5 was noted"),
    "all gone": Case([], 1, "the chain ends here, but packet 5 was noted"),
    "end replaced": Case(FORK, 5, "another packet was noted"),
    "not JSON": Case([*PACKAGED[:4], "{"], 5, "not a packet"),
    "not an envelope": Case([*PACKAGED[:4], "[]"], 5, "not a packet"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_first_break_is_named(case: Case) -> None:
    verdict = verify(case.packets, KEYS, TOLD)

    assert not verdict.ok
    assert (verdict.count, verdict.seq) == (case.seq - 1, case.seq)
    assert case.what in verdict.what


def test_an_intact_chain_is_told_so() -> None:
    verdict = verify(PACKAGED, KEYS, TOLD)

    assert verdict == Verdict(True, 5, TOLD)
    assert str(verdict) == "5 packets, chain intact"


def test_an_empty_chain_is_intact_where_nothing_was_noted() -> None:
    assert verify([], KEYS).ok


def test_a_chain_may_have_grown_since_its_head_was_noted() -> None:
    assert verify(PACKAGED, KEYS, head_of(PACKAGED[:3])).ok


def test_without_a_head_a_shorter_chain_looks_whole() -> None:
    assert verify(PACKAGED[:3], KEYS).ok


def test_after_a_rotation_both_keys_are_needed() -> None:
    later = seal(STRANGER, TOLD, {"run_id": "later"}, AT)

    assert verify([*PACKAGED, later], [*KEYS, STRANGER.public_key]).ok
    assert verify([*PACKAGED, later], KEYS).seq == 6


def export(folder: Path, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / PACKETS).write_bytes(data)
    (folder / HEAD).write_text(json.dumps({"seq": TOLD.seq, "sha256": TOLD.sha256}))
    return folder


DATA = "".join(packet + "\n" for packet in PACKAGED).encode()


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """The export with one thing done to it: a byte changed, a piece removed, repeated, moved or put in."""
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(DATA))] * 2)))
    piece, lines = DATA[start:end], DATA.splitlines(keepends=True)
    one, other = draw(st.tuples(*[st.integers(0, len(lines) - 1)] * 2))
    swapped = list(lines)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    changes = [
        DATA[:start] + draw(st.binary(min_size=1, max_size=1)) + DATA[start + 1 :],
        DATA[:start] + DATA[end:],
        DATA[:end] + piece + DATA[end:],
        DATA[:start] + draw(st.binary(min_size=1, max_size=8)) + DATA[start:],
        b"".join(swapped),
        b"".join(lines[:one] + lines[one + 1 :]),
        b"".join(lines[:one] + [lines[other]] + lines[one:]),
    ]
    return draw(st.sampled_from(changes))


@given(mutations())
def test_any_single_change_to_an_export_is_found(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = export(tmp_path_factory.getbasetemp() / "export", data)

    verdict = verify_export(folder, KEYS)

    assert verdict.ok == (data == DATA)


def loosened(packet: str) -> str:
    """The packet with the bits of its signature that base64 does not need turned on: it decodes to the same."""
    assert '=="}' in packet
    place = packet.index('=="}') - 1
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return packet[:place] + letters[letters.index(packet[place]) + 1] + packet[place + 1 :]


RESPELT: dict[str, Callable[[str], str]] = {
    "blanks": lambda packet: packet + " ",
    "indented": lambda packet: json.dumps(json.loads(packet), indent=1),
    "another order": lambda packet: json.dumps(dict(reversed(json.loads(packet).items())), separators=(",", ":")),
    "a further field": lambda packet: packet[:-1] + ',"z":1}',
    "a field twice": lambda packet: '{"payload":"e30=",' + packet[1:],
    "base64": loosened,
    "a further signature": lambda packet: packet.replace('"signatures":[', '"signatures":[{"keyid":"z","sig":"AAAA"},'),
}


@pytest.mark.parametrize("respell", RESPELT.values(), ids=RESPELT)
def test_the_last_packet_has_one_spelling(respell: Callable[[str], str]) -> None:
    verdict = verify([*PACKAGED[:4], respell(PACKAGED[-1])], KEYS)

    assert (verdict.ok, verdict.seq) == (False, 5)


@given(st.integers(0, len(PACKAGED[-1]) - 1), st.characters(min_codepoint=32, max_codepoint=126))
def test_no_other_spelling_of_the_last_packet_passes(place: int, letter: str) -> None:
    last = PACKAGED[-1][:place] + letter + PACKAGED[-1][place + 1 :]

    verdict = verify([*PACKAGED[:4], last], KEYS)

    assert verdict.ok == (last == PACKAGED[-1])
