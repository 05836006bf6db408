"""Names of files that go to a platform: never a path, never more than plain characters.  Pure."""

from __future__ import annotations

import re

#: Characters that a name keeps; all others, in a row, become one "_".
OTHERS = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST = 100
#: What is kept of the part behind the last dot.
LONGEST_ENDING = 16


def safe(name: str) -> str:
    """Return *name* as a bare file name of at most 100 characters from A-Z, a-z, 0-9, ".", "_" and "-"."""
    base = re.split(r"[/\\]", name)[-1]
    plain = OTHERS.sub("_", base).strip("._-") if OTHERS.sub("", base).strip("._-") else ""
    stem, dot, ending = plain.rpartition(".")
    if not dot or len(ending) > LONGEST_ENDING:
        return plain[:LONGEST] or "file"
    return f"{stem[: LONGEST - len(dot + ending)]}.{ending}"


#: Endings of files by the languages that models name behind a fence.
ENDINGS = {
    name: names.split()[0]
    for names in (
        *("c", "css", "csv", "diff", "go", "html", "java", "json", "lua", "php", "r", "scala", "sql", "svg"),
        *("swift", "toml", "tsx", "vue", "xml", "zig", "sh bash shell zsh", "ps1 powershell", "py python"),
        *("js javascript jsx", "ts typescript", "rs rust", "rb ruby", "kt kotlin", "pl perl", "cs csharp c#"),
        *("cpp c++", "yaml yml", "md markdown", "tex latex", "hs haskell", "mk makefile", "tf hcl terraform"),
    )
    for name in names.split()
}


def extension(info: str) -> str:
    """Return the ending of a file whose fence says *info*: ".py"; ".txt" where that names no language."""
    language = next(iter(info.split()), "").strip("{}.").casefold()
    return f".{ENDINGS.get(language, 'txt')}"
