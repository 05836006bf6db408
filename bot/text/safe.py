"""What may leave: the one chain of functions that every text goes through on its way to a platform.  Pure.

Rule 1: no character that hides, reorders or commands (`clean`), before anything else looks at the text.
Rule 2: nothing that a chat platform takes for a mention (`disarm`), after everything else has.
Rule 3: a link only where `Links` allows it; every other URL is text that nobody can follow by a click.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from unicodedata import category, normalize
from urllib.parse import SplitResult, urlsplit

import regex

#: Invisible, does not break a line, and is part of no mention.
JOINER = "\u2060"

#: England, Scotland, Wales: the flags that are written with tag characters (UTS 51, ED-14a).
_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f"
#: C0 and C1 but for tab and newline, bidi embeddings, overrides and isolates, tags outside of flags, and
#: byte order marks, which parsers leave out where a text begins.
_UNSEEN = re.compile(
    f"({_FLAG})"
    "|[\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]+"
)
#: Half of a character.
SURROGATE = re.compile("[\ud800-\udfff]")
_BROKEN = re.compile("[\x00\ud800-\udfff\ufffe\uffff]")
#: Any of these, before they are looked at one by one: nearly no text has any.
_UNCLEAN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\uffff\U000e0000-\U000e007f]"
)
#: What breaks a line somewhere; markdown knows "\n" and "\r\n" only.
_BREAKS = re.compile("[\x0b\x0c\x85\u2028\u2029]|\r(?!\n)")

#: A character that can be seen.
_SEEN = regex.compile(r"[^\p{Z}\p{Cc}\p{Cf}\p{M}\u115f\u1160\u2800\u3164\uffa0]")

#: What chat platforms take for an at sign, or people do.
_AT = "@\uff20\ufe6b"
_CALL = re.compile(f"[{_AT}](?=([^\\s{_AT}<>`*]{{2,40}}))")
_GROUPS = ("everyone", "here", "channel", "group")
#: Letters that look like those of `_GROUPS` (Unicode's confusables.txt, the Cyrillic and Greek ones).
_LOOKS = str.maketrans("еоусһлрνпгѕıіѐё", "eoychlpvnrsiiee")
#: A mention, an emoji, a time, a command: "<@1>", "<!here>", "<#C1>", "</ask:1>", "<a:wave:1>", "<t:1:R>".
_TOKEN = re.compile(r"<(?=[@#!:]|/[^<>\n]*:|(?:a|t|id):)")

#: What people or platforms take for a URL: a scheme, or "www.".
URL = re.compile(r"(?:[a-z0-9+.\-_]{1,32}://|[\w.+\-]{0,32}mailto:|www\.)[^\s<>`]*", re.IGNORECASE)
#: A host name in what is said of a link; a file name is one too, where it ends in a country's letters.
_HOST = re.compile(r"(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_]{2,24}\b")
#: What a host name stands in, and how long one is at most; a longer word is looked at from both ends.
_WORD = re.compile(r"[\w.-]+")
LONGEST_HOST = 253
#: Whatever `URL` or a platform takes for a URL has one of these.
_ADDRESSED = re.compile(r"[:/\\]|www\.", re.IGNORECASE)
_CLOSERS = {")": "(", "]": "[", "}": "{"}


#: Characters of which none is looked at.
_PLAIN = bytes((*b"\t\n", *range(0x20, 0x7F)))


def _plain(text: str) -> bool:
    """Tell, quickly, whether *text* is but letters, digits and the like of ASCII, in lines."""
    return text.isascii() and not text.encode().translate(None, _PLAIN)


def clean(text: str) -> str:
    """Return *text* without what hides or reorders, line ends as newlines, broken characters as U+FFFD."""
    return legible(text).replace("\r\n", "\n")


def mended(text: str) -> str:
    """Join surrogate pairs and replace lone ones: nobody can encode them, and no file holds them."""
    if text.isascii() or not SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def legible(text: str) -> str:
    """Return *text* as `clean` does, but as long: another character for each that is not wanted."""
    if _plain(text) or not _UNCLEAN.search(text):
        return text
    text = _BROKEN.sub("\ufffd", _BREAKS.sub(" ", text))
    return _UNSEEN.sub(lambda found: found[1] or JOINER * len(found[0]), text)


def seen(text: str) -> str:
    """Return *text*, or "" if it has nothing that anybody sees."""
    return text if _SEEN.search(text) else ""


def seen_from(text: str) -> str:
    """Return *text* from its first character on that anybody sees."""
    found = _SEEN.search(text)
    return text[found.start() :] if found else ""


def disarm(text: str) -> str:
    """Return *text* with an invisible character in whatever would mention somebody; looks the same."""
    if "@" in text or not text.isascii():
        text = _CALL.sub(lambda found: found[0] + JOINER * _calls(found[1]), text)
    return _TOKEN.sub("<" + JOINER, text) if "<" in text else text


def _calls(word: str) -> bool:
    """Tell whether people or platforms would read *word* behind an at sign as a call to many."""
    bare = "".join(character for character in normalize("NFKD", word) if category(character)[0] != "C")
    bare = "".join(character for character in bare if category(character) != "Mn")
    return bare.casefold().translate(_LOOKS).startswith(_GROUPS)


def line(text: str) -> str:
    """Return *text*, a name or a note, on one line, and harmless."""
    return disarm(" ".join(clean(text).split()))


class Links:
    """Which URLs may be links.

    Args:
        hosts: Hosts whose pages may be linked, with all below them; "*" allows every host.
        urls: URLs that may be linked as they are: those of the question.
    """

    def __init__(self, hosts: Collection[str] = (), urls: Collection[str] = ()) -> None:
        self._hosts = tuple(host.lower().strip(".") for host in hosts)
        self._urls = set(urls)

    @classmethod
    def of(cls, question: str, hosts: Collection[str] = ()) -> Links:
        """Return what may be linked in the answer to *question*."""
        return cls(hosts, [trimmed(found[0]) for found in URL.finditer(question)])

    def add(self, url: str) -> None:
        """Let *url* be a link from now on."""
        self._urls.add(url)

    def allows(self, url: str) -> bool:
        """Tell whether *url* may be a link: http or https, no user or odd port in it, a known host."""
        parts = split(url)
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
            return False
        if url in self._urls:
            return True
        host = parts.hostname.rstrip(".")
        plain = parts.netloc.lower().rstrip(".") == host and re.fullmatch(r"[a-z0-9.-]+", host)
        return bool(plain) and any(
            known in {"*", host} or host.endswith(f".{known}") for known in self._hosts
        )


def addressed(text: str) -> bool:
    """Tell, quickly, whether *text* may have an address in it."""
    return _ADDRESSED.search(text) is not None


def split(url: str) -> SplitResult | None:
    """Return the parts of *url*; None if browsers and we could read it differently."""
    if re.search(r"[\s\\\x00-\x20\x7f]", url):
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises if it is none
    except ValueError:
        return None
    return parts


def inert(url: str) -> str:
    """Return what is shown of a *url* that may not be a link: no query, which could carry secrets."""
    return url.partition("?")[0]


def trimmed(url: str) -> str:
    """Return *url* without the punctuation behind it, as chat platforms take it."""
    end = len(url)
    more = {closer: url.count(closer) - url.count(opener) for closer, opener in _CLOSERS.items()}
    while end:
        last = url[end - 1]
        if last not in ".,;:!?'\"*_~|\u2026\u3002\uff0c\u3001" and more.get(last, 0) <= 0:
            break
        if last in more:
            more[last] -= 1
        end -= 1
    return url[:end]


def deceives(label: str, url: str) -> bool:
    """Tell whether people would take *label* for another address than *url*."""
    seen = clean(normalize("NFKC", label)).replace(JOINER, "").replace("\u200b", "")
    seen = re.sub("[\u2024\u3002\uff0e\uff61]", ".", seen)
    if "://" in seen:
        return seen.rstrip("/") != url.rstrip("/")
    parts = split(url)
    host = ((parts and parts.hostname) or "").removeprefix("www.")
    longest = LONGEST_HOST
    words = (
        part
        for found in _WORD.finditer(seen)
        if "." in found[0]
        for part in {found[0][:longest], found[0][-longest:]}
    )
    named = (found[0].casefold().removeprefix("www.") for word in words for found in _HOST.finditer(word))
    return any(name != host for name in named)
