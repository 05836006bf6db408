"""The last resort for a message that Discord calls invalid, for whatever reason: with less of it.

Rule 1: a body that Discord has refused is never sent to the same place again.
Rule 2: all that is optional (files, buttons, the reply, the nonce) is given up before any text is.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace

import structlog

from adapters.discord.outgoing.drawing import CONTENT, draw, noted
from adapters.discord.wire.bars import MISSING_PERMISSIONS
from adapters.discord.wire.rest import Json, Refused
from bot.events import Page
from bot.platform import BucketState, Gone

log = structlog.get_logger(__name__)

#: JSON error codes: the body is wrong, here for a text that is too long; AutoMod blocked a message.
INVALID_FORM, MODERATED = 50035, 200000
#: Code points that fit in a message however Discord counts them, and those below which none is divided.
PIECE, LEAST = CONTENT // 2, 300
#: Refused bodies that are remembered of one answer; a page takes fewer than ten.
KNOWN = 100
#: What of a body can be left out, by the name that Discord's errors give it.
OPTIONAL = frozenset({"components", "message_reference", "attachments", "files"})

FILES_REFUSED = "Discord refused a file."
NO_FILES = "I lack the right Attach Files here."
BUTTONS_REFUSED = "Shown without buttons: Discord refused them."
MISSING = "A part of this answer is missing here: Discord refused it."
CUT = "Discord refused the rest of this answer."

#: What a call returns: the answer, and the state of its bucket.
Told = tuple[Json, tuple[BucketState, ...]]
#: Makes a call: method, path, page, and what the body has besides.
Send = Callable[[str, str, Page, Json], Awaitable[Told]]


@dataclass(frozen=True, slots=True)
class _Form:
    """What is sent of a page: the page, what the body has besides, and how much text at most (0: all)."""

    page: Page
    more: Json
    size: int = 0

    def without(self, fields: frozenset[str]) -> _Form:
        """Return it without what *fields* name, saying what people miss by that."""
        page, more = self.page, {key: value for key, value in self.more.items() if key not in fields}
        if page.controls and "components" in fields:
            page = noted(replace(page, controls=()), BUTTONS_REFUSED)
        if page.files and fields & {"attachments", "files"}:
            page = replace(page, files=())
        return _Form(page, more, self.size)


class LastResort:
    """Shows the pages of one answer in the first form that Discord takes.

    Args:
        send: Makes a call.
    """

    def __init__(self, send: Send) -> None:
        self._raw = send
        self._modest: dict[str, tuple[bool, int]] = {}
        self._taken: dict[str, str] = {}
        self._refused: OrderedDict[int, Refused] = OrderedDict()

    async def put(self, method: str, path: str, page: Page, more: Json) -> tuple[Told, str]:
        """Write *page*, or the beginning of what is live; of a final one, put the rest below.

        Returns:
            What the call returned, and why the page has no files, if Discord takes it only so.

        Raises:
            Refused: When Discord takes it in no form, and at once when AutoMod blocks it.
        """
        form = _Form(page, more)
        if page.live and path in self._modest:  # it grows, and what Discord minds stays
            bare, size = self._modest[path]
            form = replace(form.without(OPTIONAL) if bare else form, size=size)
        forms, unattached = None, ""
        while True:
            try:
                told = await self._form(method, path, form)
            except Refused as refused:
                if refused.code == MODERATED:
                    raise
                forms = forms or _forms(form, refused)
                unattached = NO_FILES if refused.code == MISSING_PERMISSIONS else unattached
                try:
                    form = next(forms)
                except StopIteration:
                    raise refused from None
                log.warning("Discord refuses a message; another form is tried", error=str(refused))
            else:
                if forms and method == "PATCH":
                    self._modest[path] = form.page.controls != page.controls, form.size
                self._taken[path] = page.text
                return told, (unattached or FILES_REFUSED) if len(form.page.files) < len(page.files) else ""

    async def _form(self, method: str, path: str, form: _Form) -> Told:
        if not form.size:
            return await self._send(method, path, form.page, form.more)
        text = form.page.text
        first, *rest = [text[at : at + form.size] for at in range(0, len(text), form.size)] or [""]
        told = await self._send(method, path, replace(form.page, text=first), form.more)
        for number, piece in enumerate(rest if not form.page.live else ()):
            if not await self._below(path, number, piece):
                message = path if method == "PATCH" else f"{path}/{told[0]['id']}"
                self._taken[message] = first
                await self.end(message)
                break
        return told

    async def _below(self, path: str, number: int, piece: str) -> bool:
        """Post a piece of a page below it; tell if Discord takes that, or that it is missing."""
        place = f"channels/{path.split('/')[1]}/messages"
        # The same nonce for the same piece: the page may be sent again.
        once = {"nonce": nonce(f"{path}{number}{piece}"), "enforce_nonce": True}
        gap = Page("", MISSING, live=False)
        for page, more in ((Page(piece, live=False), once), (Page(piece, live=False), {}), (gap, once)):
            try:
                await self._send("POST", place, page, more)
            except Refused as refused:
                if refused.code == MODERATED:
                    raise
                continue
            return True
        return False

    async def end(self, path: str) -> Told:
        """End the message at *path* with what Discord has taken of it, and a note that the rest is missing.

        Raises:
            Gone: When Discord does not take that either.
        """
        for text in dict.fromkeys([self._taken.get(path, ""), ""]):
            try:
                return await self._send("PATCH", path, Page(text, CUT, live=False), {})
            except Refused:
                continue
        raise Gone("Discord refuses an answer in every form")

    async def say(self, path: str, more: Json) -> Told:
        """Post, in place of a page that Discord takes in no form, that it does.

        Raises:
            Gone: When Discord does not take that either.
        """
        for each in (more, {}):
            try:
                return await self._send("POST", path, Page("", CUT, live=False), each)
            except Refused:
                continue
        raise Gone("Discord refuses an answer in every form")

    async def _send(self, method: str, path: str, page: Page, more: Json) -> Told:
        """Make a call unless Discord has refused it before."""
        files = [(file.name, len(file.data)) for file in page.files]
        body = hash(f"{method} {path} {draw(page)} {more} {files}")
        if body in self._refused:
            raise self._refused[body]
        try:
            return await self._raw(method, path, page, more)
        except Refused as refused:
            self._refused[body] = refused
            if len(self._refused) > KNOWN:
                self._refused.popitem(last=False)
            raise


def _forms(form: _Form, refused: Refused) -> Iterator[_Form]:
    """Yield what is tried, in this order, after *form* was *refused*."""
    named = OPTIONAL & frozenset(refused.fields)
    short = _Form(form.page, form.more, PIECE)
    if refused.code == INVALID_FORM and "content" in refused.fields and len(form.page.text) > PIECE:
        yield short
    if named:
        yield form.without(named)
    if form.page.files:
        form = form.without(frozenset({"files"}))
        yield form
    yield form.without(frozenset({"components"}))
    bare = form.without(OPTIONAL)  # a reply is how the next question finds what was said, so it goes last
    yield bare
    if len(form.page.text) > LEAST:
        yield replace(bare, size=max(min(PIECE, len(form.page.text) // 2 + 1), LEAST))
    yield bare.without(frozenset({"nonce", "enforce_nonce"}))


def nonce(what: str) -> str:
    """Return the nonce of *what*, the same one for the same."""
    return hashlib.sha256(what.encode()).hexdigest()[:25]
