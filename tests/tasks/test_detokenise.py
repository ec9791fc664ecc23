from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristic_core.tasks.detokenise import detokenise
from heuristic_core.tasks.readers import read_paws
from real_data import real_file


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (
            "I feel like he does n't care about me , but he 's here .",
            "I feel like he doesn't care about me, but he's here.",
        ),
        ("Ca n't I ? You 'll WO N'T", "Can't I? You'll WON'T"),
        ("my number ( the admin ) , then [ x ] ?", "my number (the admin), then [x]?"),
        ("95 % of $ 800 , or 12 $ more", "95% of $800, or 12 $ more"),
        ("my parents ' home and the 'net ' profit", "my parents' home and the 'net' profit"),
        ("What does `` no '' mean ?", 'What does "no" mean?'),
        (
            "`` Are `` if I were ... `` and `` if I was ... `` both correct ? ''",
            '"Are "if I were..." and "if I was..." both correct?"',
        ),
        ("I wan na go , it 's gon na be", "I wanna go, it's gonna be"),
        ("the G\\xc3\\xb6del 's theorems", "the Gödel's theorems"),
        ("a broken \\xc3 , a control \\x07 sign", "a broken \\xc3, a control \\x07 sign"),
        ("AT & T , C + + and e-mail", "AT & T, C + + and e-mail"),
        (", first", ", first"),
        ("What is it? It's what it isn't.", "What is it? It's what it isn't."),
    ],
)
def test_by_hand(tokens, text):
    assert detokenise(tokens) == text


TOKENS = st.sampled_from(
    ["a", "Bee", "n't", "'s", "s", "na", "wan", "ta", "got", ",", ".", "?", "(", ")", "[", "``",
     "''", '"', "'", "$", "5", "%", "...", "\\xc3\\xa9", "\\xc3", "\\xa9", "\\", "x41", "é", "—"]
)  # fmt: skip


def letters(text: str) -> list[str]:
    return [c for c in text if c.isalnum()]


@given(st.lists(TOKENS).map(" ".join) | st.text())
def test_twice_is_once(text):
    assert detokenise(detokenise(text)) == detokenise(text)


@given(st.lists(TOKENS).map(" ".join) | st.text())
def test_letters_and_their_order_stay(text):
    text = text.replace("\\x", "")  # written out bytes are letters of another kind
    assert letters(detokenise(text)) == letters(text)


@given(st.text(st.characters(codec="utf-8", categories=["L", "N"])))
def test_bytes_written_out_are_read_back(word):
    written = "".join(f"\\x{byte:02x}" for byte in word.encode())
    assert detokenise(written) == word


def test_real_paws():
    raw = read_paws(real_file("paws_qqp.parquet"), detokenise=False).table
    tidy = read_paws(real_file("paws_qqp.parquet")).table
    for column in ("text", "text_pair"):
        assert raw[column].str.contains(r"\s(?:[,.?!]|n't|'s)(?:\s|$)").mean() > 0.98
        # What is left are tokens that hold marks of their own, such as 6'' for inches.
        assert tidy[column].str.contains(r"\w (?:[,.?!]|n't|'s)(?:\s|$)|``|''").mean() < 0.001
