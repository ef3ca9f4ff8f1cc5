"""Finds words that the project does not use. HACKING.md lists them, with the words to use instead.

Run from anywhere in a checkout: python tools/banned_words.py
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = "HACKING.md"
HEADING = "## Banned words"
SKIPPED = {"LICENSE"}
_BETWEEN_WORDS = r"""[\s_#/*"']+"""  # also a line break within a comment or a string


def read_list(text: str) -> dict[str, str]:
    """Each banned word or phrase with its replacement, from the table below `HEADING`."""
    rows = re.findall(r"^\| (.+) \| (.+) \|$", _table(text), re.MULTILINE)[1:]
    return {word: replacement for words, replacement in rows for word in words.split(", ")}


def find(text: str, banned: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Line number and word of every banned word in a text, in any case and as a part of an identifier."""
    pattern = "|".join(map(_pattern, sorted(banned, key=len, reverse=True)))
    by_name = {_normalize(word): word for word in banned}
    for match in re.finditer(rf"(?<![A-Za-z])(?:{pattern})", text, re.IGNORECASE):
        yield text.count("\n", 0, match.start()) + 1, by_name[_normalize(match.group())]


def text_files(root: Path) -> Iterator[tuple[Path, str]]:
    """Every text file that git tracks or would track, relative to `root`, with its content."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in sorted(set(names) - {""} - SKIPPED):
        path = root / name
        if path.is_file():
            try:
                yield Path(name), path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # a picture or other data


def main() -> int:
    """Prints every banned word as `file:line: word -> replacement`; 1 if there is one."""
    text = (ROOT / LIST).read_text(encoding="utf-8")
    banned = read_list(text)
    count = 0
    for path, content in text_files(ROOT):
        if path == Path(LIST):
            table = _table(text)
            content = content.replace(table, "\n" * table.count("\n"))
        for line, word in find(content, banned):
            print(f"{path}:{line}: {word} -> {banned[word]}")
            count += 1
    return int(count > 0)


def _table(text: str) -> str:
    return text.partition(HEADING)[2].partition("\n## ")[0]


def _pattern(word: str) -> str:
    end = "(?![A-Za-z])" if word[-1].isalpha() else ""
    return _BETWEEN_WORDS.join(map(re.escape, word.split())) + end


def _normalize(word: str) -> str:
    return re.sub("[^a-z]", "", word.lower())


if __name__ == "__main__":
    sys.exit(main())
