"""Whether the words of a link name another place than it leads to.  Pure; both chat emulators judge by it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import urlsplit

#: Characters that no reader sees: soft hyphen, zero width, direction, joiners, tags.
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
#: A label that is an address, with or without its scheme: bank.com, www.bank.com/login, bank.com:443.
ADDRESS = re.compile(r"(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_][\w-]*[^\W_]\.?(?:[:/?#\\]\S*)?", re.IGNORECASE)
#: An address within a label's other words.
WITHIN = re.compile(r"(?:[a-z][a-z0-9+.-]*://|www\.)\S+", re.IGNORECASE)


def host(address: str) -> str:
    """Return the host that a browser would go to for *address*, without www; "" if there is none."""
    address = address.replace("\\", "/")  # as browsers do, so that evil.com\@bank.com is evil.com
    try:
        found = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    except ValueError:
        return ""
    return found.lower().rstrip(".").removeprefix("www.")


def masked(label: str, target: str) -> bool:
    """Tell whether *label* reads as an address of another host than *target*'s."""
    read = INVISIBLE.sub("", unicodedata.normalize("NFKC", label)).strip()
    named = [read] if ADDRESS.fullmatch(read) else WITHIN.findall(read)
    return any(host(each) != host(target) for each in named)


def found(links: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return those of the (label, target) *links* that are masked, as a verdict names them."""
    return [{"text": label, "target": target} for label, target in links if masked(label, target)]
