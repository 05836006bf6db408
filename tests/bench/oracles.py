"""What must hold for the pages of any text, told without the code that makes them.

Pure.  Written from CommonMark, Unicode and what the platforms' clients do; whom a page would ping and where
it would lead is asked of the emulators, which know nothing of the bot.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import regex

from adapters.discord.surface import DiscordSurface
from adapters.emulators.discord import markup
from adapters.emulators.masks import masked
from adapters.emulators.slack import judge
from adapters.emulators.slack.content import Block
from adapters.slack.surface import SlackSurface
from bot.platform import Limits
from bot.show.pages import Piece
from bot.text.safe import Links
from tests.bench import reads_slack

#: The only links that a page may hold, where any.
HOSTS, URLS = ("ok.example",), ("https://one.example/only",)
ALLOWED = Links(hosts=HOSTS, urls=URLS)

#: U+1F3F4, up to six tags (a country's and a part's code), the cancel tag (UTS #51).
FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
#: C0 but tab and newline, DEL, C1; embeddings, overrides and isolates; surrogates; tags.
CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"
)
#: Discord's code: an escaped backtick begins none, a block without an end is none.
CODE = re.compile(r"\\[`\\]|```[\s\S]+?```|(`+)[\s\S]*?[^`]\1(?!`)")
PING = re.compile("[@<&]")
LINK = re.compile(r"[<&:]|\]\(|www", re.IGNORECASE)
#: A text of this and nothing else may come to nothing: markup, also links without label and address, white
#: space, marks without a letter, and letters that are drawn as nothing.
NOTHING = regex.compile(
    r"(?:[\s#>*+`~|=_:.\-\\\p{Z}\p{C}\p{M}\u115f\u1160\u2800\u3164\uffa0]|\d+[.)]|&\w+;|&#\w+;|<br\s*/?>|\[\s*\]\(\s*\))*+",
    regex.IGNORECASE,
)
WORD, UNREAD = re.compile(r"[^\W_]{4,}"), re.compile(r"[\W_]+")
#: Where no page need show the words: info strings, addresses, definitions, entities, and all cells but the
#: first of a row (GFM drops what is beyond the head's).
UNTOLD = re.compile(
    r"(?:```|~~~)[^\n]*|https?:[^\s|()\[\]]*|\]\((?!\s*(?:```|~~~))\s*[^)|\n]*\)?|\[[^\[\]\n]*\]:.*|\?[^\s|()\[\]]*|&#?\w+;?|(?<=\|)[^\n]+",
    re.IGNORECASE,
)
#: Letters that are drawn as nothing, and that end a word.
FILLERS = dict.fromkeys(map(ord, "\u115f\u1160\u3164\uffa0"), " ")
#: Categories of what is drawn as nothing; private and unassigned characters are drawn as boxes.
UNDRAWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
CLUSTER = regex.compile(r"\X")


@dataclass(frozen=True)
class Side:
    """A platform, as its readers see a page.

    Attributes:
        limits: The adapter's.
        open: Whether the page ends inside a code block.
        pings: Whom it would call.
        links: (label, address) of all that can be followed.
        images: What would be loaded.
    """

    name: str
    limits: Limits
    open: Callable[[str], bool]
    pings: Callable[[str], Sequence[str]]
    links: Callable[[str], Sequence[tuple[str, str]]]
    images: Callable[[str], Sequence[object]]


def _block(shown: str) -> list[Block]:
    return [{"type": "markdown", "text": shown}]


def open_commonmark(shown: str) -> bool:
    """Return whether a fence of *shown* is closed by nothing but the end of the page."""
    if "```" not in shown and "~~~" not in shown:
        return False
    lines = shown.rstrip().split("\n")
    fences = [token for token in reads_slack.tokens(shown)[0] if token.type == "fence"]
    if not fences or not fences[-1].map:
        return False
    begin, end = fences[-1].map
    mark = fences[-1].markup
    closer = re.compile(rf"[\s>]*{re.escape(mark)}{re.escape(mark[0])}*\s*")
    return end >= len(lines) and (begin == len(lines) - 1 or not closer.fullmatch(lines[-1]))


def open_discord(shown: str) -> bool:
    """Return whether a code block of *shown* has no end."""
    return "```" in CODE.sub("", shown)


SIDES: Mapping[str, Side] = {
    "slack": Side(
        "slack",
        SlackSurface.limits,
        open_commonmark,
        # What has none of these characters can be nothing of the kind, and needs no parser to say so.
        lambda shown: judge.pings("", _block(shown), linked=False) if PING.search(shown) else [],
        lambda shown: judge.links("", _block(shown)) if LINK.search(shown) else [],
        lambda shown: judge.images(_block(shown)) if "![" in shown else [],
    ),
    "discord": Side(
        "discord",
        DiscordSurface.limits,
        open_discord,
        markup.tokens,
        markup.links,
        lambda _: (),  # there is no image markdown; previews are of links
    ),
}


def allowed(url: str) -> bool:
    """Return whether *url* may be a link where `ALLOWED` says what may: those hosts and all below them."""
    if url in URLS:
        return True
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.netloc.lower()
    known = any(host == each or host.endswith(f".{each}") for each in HOSTS)
    return parts.scheme in {"http", "https"} and known and not re.search(r"[\\\s@]", url)


def unfit(shown: str, side: Side, limits: Limits, *, linked: bool) -> Iterator[str]:
    """Yield what is wrong with the page *shown*, "property: detail" each."""
    if (size := max(len(shown), limits.measure(shown))) > limits.size:
        yield f"size: {size} of {limits.size}"
    if side.open(shown):
        yield f"fence: {shown[-60:]!a}"
    if pings := side.pings(shown):
        yield f"ping: {pings[:3]!a}"
    links = side.links(shown)
    if wrong := [link for link in links if not (linked and allowed(link[1]))]:
        yield f"link: {wrong[:3]!a}"
    if wrong := [link for link in links if masked(*link)]:
        yield f"deceit: {wrong[:3]!a}"
    if images := side.images(shown):
        yield f"image: {images[:3]!a}"
    if found := CONTROL.search(FLAG.sub("", shown) if "\U000e007f" in shown else shown):
        yield f"control: {found[0]!a}"


def blank(text: str) -> bool:
    """Return whether nothing of *text* can be seen."""
    return not text.strip() or all(unicodedata.category(each) in UNDRAWN for each in text)


def empty(pieces: Sequence[Piece]) -> Iterator[str]:
    """Yield the pages of *pieces*, which are whole, that show nothing though there is something to show.

    A last page without a text of its own may be empty: it is not posted, or drawn as "…".  White space alone
    never may: Slack refuses it.
    """
    for piece in pieces:
        if blank(piece.shown) and not (piece is pieces[-1] and NOTHING.fullmatch(piece.text)):
            yield f"empty: {piece.shown[:60]!a} of {piece.text[:60]!a}"
        elif piece.shown and not piece.shown.strip():
            yield f"empty: {piece.shown[:60]!a} is but white space"


def lost(pieces: Sequence[Piece], text: str) -> Iterator[str]:
    """Yield the words of *text* that neither pages nor their files show, but for those that a cut parts."""
    parts = (
        part for piece in pieces for part in (piece.shown, *(file.data.decode() for file in piece.files))
    )
    read = UNREAD.sub("", "".join(parts))
    cuts = set(itertools.accumulate(len(piece.text) for piece in pieces))
    plain = UNTOLD.sub(lambda found: " " * len(found[0]), text).translate(FILLERS)
    words = Counter(
        word[0] for word in WORD.finditer(plain) if cuts.isdisjoint(range(word.start() + 1, word.end()))
    )
    if missing := [word for word, count in words.items() if read.count(word) < count]:
        yield f"lost: {missing[:5]!a}"


def torn(pieces: Sequence[Piece], text: str, limits: Limits) -> Iterator[str]:
    """Yield the cuts between *pieces* that go through what people take for one character."""
    cuts, end = set(), 0
    for piece in pieces[:-1]:
        end += len(piece.text)
        cuts.add(end)
    cuts -= {0, len(text)}
    for cluster in CLUSTER.finditer(text) if cuts else ():
        within = [cut for cut in cuts if cluster.start() < cut < cluster.end()]
        if within and len(cluster[0]) <= limits.size // 2:
            yield f"grapheme: {cluster[0]!a} cut at {within[0] - cluster.start()}"
