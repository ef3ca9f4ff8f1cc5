"""The check for banned words: it finds words and phrases, and ignores other words that contain them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools import banned_words

BANNED = {"colour": "color", "whilst": "while", "at this point": "now", "how_to": "guide", "ex_": "former"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a colour", [(1, "colour")]),
        ("Colour, whilst", [(1, "colour"), (1, "whilst")]),
        ("a\nb\nset_colour(x)", [(3, "colour")]),
        ("colours discolour", []),
        ("at this point", [(1, "at this point")]),
        ("x = 1  # at this\n    # point", [(1, "at this point")]),
        ('f("at this "\n  "point")', [(1, "at this point")]),
        ("def at_this_point()", [(1, "at this point")]),
        ("at thispoint", []),
        ("how_to_install, how to", [(1, "how_to")]),
        ("ex_member, index_of", [(1, "ex_")]),
    ],
)
def test_whole_words_and_phrases_are_found(text: str, found: list[tuple[int, str]]) -> None:
    assert list(banned_words.find(text, BANNED)) == found


def test_the_list_is_read_from_its_table() -> None:
    text = f"# A\n\n| x | y |\n\n{banned_words.HEADING}\n\n| a | b |\n|---|---|\n| c d, e | f |\n\n## B\n\n| g | h |\n"
    assert banned_words.read_list(text) == {"c d": "f", "e": "f"}


def test_the_list_of_the_project_has_a_replacement_for_every_word() -> None:
    banned = banned_words.read_list((banned_words.ROOT / banned_words.LIST).read_text())
    assert len(banned) > 20
    assert all(banned.values())
    assert all(list(banned_words.find(f"x {word} y", banned)) for word in banned)


def test_the_files_of_the_project_are_read_without_pictures() -> None:
    names = {path.as_posix() for path, _ in banned_words.text_files(banned_words.ROOT)}
    assert {"README.md", "Makefile", "python/seizurekit/py.typed", "tools/banned_words.py"} <= names
    assert not {name for name in names if Path(name).suffix == ".png"}
