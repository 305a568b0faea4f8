"""Work addresses from names of any script, unique."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mappings_house import person

from mappings.naming import addresses, fold, follows, work_email
from mappings.vocabulary import Emails

PLAIN = Emails(domain="larkspur.example", reserved=("admin", "Info", "postmaster"))


def local(given_name: str, family_name: str, taken: frozenset[str] = frozenset(), emails: Emails = PLAIN, **words: str):
    someone = person(given_name=given_name, family_name=family_name, **words)
    return work_email(someone, emails, taken).removesuffix("@larkspur.example")


@pytest.mark.parametrize(
    ("given_name", "family_name", "found"),
    [
        ("Ken", "Sánchez", "ken.sanchez"),
        ("Jürgen", "Groß", "jurgen.gross"),
        ("Zoë", "Ørsted", "zoe.orsted"),
        ("Łucja", "Żółć", "lucja.zolc"),
        ("Đức Anh", "Nguyễn", "ducanh.nguyen"),
        ("Nguye\u0302\u0303n", "Ho\u0302\u0300", "nguyen.ho"),  # decomposed
        ("Guðrún", "Þórðardóttir", "gudrun.thordardottir"),
        ("Æsa", "Björk", "aesa.bjork"),
        ("محمد", "صالح", "mhmd.slh"),
        ("伟", "王", "wei.wang"),
        ("Seán", "O'Neill", "sean.oneill"),
        ("Seán", "O’Neill", "sean.oneill"),
        ("Ana", "van der Berg", "ana.vanderberg"),
        ("Jean-Luc", "D'Arcy-Smith", "jean-luc.darcy-smith"),
        ("J. P.", "Brennan Jr.", "jp.brennanjr"),
        ("Bo", "E", "bo.e"),
        ("Ana", "🙂", "ana"),
        ("👩🏽‍💻", "🙂", "1"),
        ("Ana™", "Moreau ☕", "ana.moreau"),
        ("Sukarno", "", "sukarno"),
        ("", "Madonna", "madonna"),
        ("Sukarno", "-", "sukarno"),
        ("X", "Æ", "x.ae"),
        ("E", "O", "e.o"),
        ("小明", "李", "xiaoming.li"),
        ("Thị Mai Hương", "Nguyễn", "thimaihuong.nguyen"),
        ("عبد الرحمن", "الفارسي", "bdlrhmn.lfrsy"),
        ("ʻAlohilani", "Kealiʻi", "alohilani.kealii"),
        ("D’Artagnan", "d'Aubigné", "dartagnan.daubigne"),
        ("Ólöf", "Guðmundsdóttir", "olof.gudmundsdottir"),
        ("Ana", "…", "ana"),
        ("???", "???", "1"),
    ],
)
def test_names_of_any_script_become_ascii(given_name, family_name, found):
    assert local(given_name, family_name) == found


def test_people_are_addressed_by_the_name_they_go_by():
    assert local("Robert", "Moreau", preferred_name="Bobbie") == "bobbie.moreau"


def test_a_clash_is_numbered_from_two():
    taken = {"ana.moreau@larkspur.example"}

    assert local("Ana", "Moreau", frozenset(taken)) == "ana.moreau2"
    assert local("Ána", "Moreau", frozenset({*taken, "ana.moreau2@larkspur.example"})) == "ana.moreau3"


def test_two_of_the_same_name_on_one_day_get_two_addresses():
    taken: set[str] = set()
    for number in range(3):
        taken.add(work_email(person(str(number)), PLAIN, taken))

    assert taken == {f"ana.moreau{n}@larkspur.example" for n in ("", "2", "3")}


@pytest.mark.parametrize(("given_name", "found"), [("Admin", "admin2"), ("Info", "info2")])
def test_reserved_words_are_nobodys(given_name, found):
    emails = PLAIN.model_copy(update={"pattern": ("{given_name}",)})

    assert local(given_name, "Moreau", emails=emails) == found


def test_patterns_are_tried_in_order_before_numbers():
    emails = PLAIN.model_copy(update={"pattern": ("{given_name}", "{given_name}.{family_name}")})
    someone = person()

    found = list(itertools.islice(addresses(someone, emails), 4))

    assert [a.partition("@")[0] for a in found] == ["ana", "ana.moreau", "ana2", "ana3"]


def test_a_pattern_whose_value_is_missing_is_left_out():
    emails = PLAIN.model_copy(update={"pattern": ("{given_name}.{title}", "{family_name}")})

    assert local("Ana", "Moreau", emails=emails) == "moreau"


def test_a_literal_capital_or_domain_does_not_slip_past_a_taken_address():
    emails = Emails(domain="Larkspur.Example", pattern=["EXT.{family_name}"])

    assert work_email(person(), emails, {"ext.moreau@larkspur.example"}) == "ext.moreau2@larkspur.example"


def test_a_long_name_is_cut_and_never_ends_in_a_dot():
    found = local("A" * 63, "Moreau")

    assert found == "a" * 63
    assert local("A" * 63, "Moreau", frozenset({f"{found}@larkspur.example"})) == "a" * 63 + "2"


@given(st.text(max_size=90), st.text(max_size=90), st.sets(st.integers(0, 5)))
def test_every_address_can_be_delivered_to(given_name, family_name, clashes):
    someone = person(given_name=given_name, family_name=family_name)
    taken = {a for n, a in enumerate(itertools.islice(addresses(someone, PLAIN), 6)) if n in clashes}

    address = work_email(someone, PLAIN, taken)

    name, at, domain = address.partition("@")
    assert address not in taken and at and domain == "larkspur.example"
    assert 1 <= len(name) <= 64 and name.isascii() and name == name.lower()
    assert not name.startswith(".") and not name.endswith(".") and ".." not in name


@pytest.mark.parametrize(
    ("address", "followed"),
    [
        ("ana.moreau@larkspur.example", True),
        ("Ana.Moreau12@larkspur.example", True),
        ("ana.weber@larkspur.example", False),
        ("ana@larkspur.example", False),
        ("ana.moreaux@larkspur.example", False),
    ],
)
def test_an_address_follows_the_rule_whatever_its_number(address, followed):
    assert follows(address, person(), PLAIN) is followed


@given(st.text())
def test_folding_twice_is_folding_once(name):
    assert fold(fold(name)) == fold(name)
