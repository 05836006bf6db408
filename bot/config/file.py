"""Reads `config.toml`, and says all that is wrong with it; a file with a fault is not used at all."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from bot.config.faults import ELSEWHERE, Fault, Faulty, dotted, faults_of, nearest, unknown, wrong
from bot.config.lines import Path, line_at, lines_of
from bot.config.rules import DEFAULTS, Rulebook, Rules, Written
from bot.config.scope import PriceKeys, Scope, Table
from bot.config.shapes import SECRET_KEY, token_in
from bot.unavailable import Unavailable

#: Bytes of the file; a longer one is another file.
LONGEST = 256 * 1024
PRICES = "prices"
#: Caps, and the levels at which they make sense: of all, only for all.
WIDE: Mapping[str, Collection[str]] = {
    **dict.fromkeys(("day", "month"), ("",)),
    **dict.fromkeys(("workspace_day", "workspace_month"), ("", "platform", "workspace")),
}

_PLACE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")
#: What `tomllib` says of mistakes that are often made, and what is said instead.
_SAID = (
    (re.compile(r"Cannot declare \((.*)\) twice"), "the table [{}] is there twice: make one of the two"),
    (re.compile(r"Cannot overwrite a value|Duplicate inline table key (.*)"), "this key is there twice"),
    (
        re.compile(r"^Invalid value$"),
        'behind the = stands no value: a text needs quotes, as in "text", and yes and no are true and false',
    ),
)


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to be named in the file.

    Attributes:
        platforms: The tables that each platform has, by its name.
        tools: Names of tools; None if that is not to be looked at.
        servers: Names of MCP servers.
        models: Models whose prices are known.
        priced: Tells whether a model's price is known; None if that is not to be looked at.
        others: Models that may be asked besides those of the rules.
        secrets: What must not stand in the file.
    """

    platforms: Mapping[str, Mapping[str, Table]] = field(default_factory=dict)
    tools: Collection[str] | None = None
    servers: Collection[str] = ()
    models: Collection[str] = ()
    priced: Callable[[str], bool] | None = None
    others: Collection[str] = ()
    secrets: Collection[str] = field(default=(), repr=False)


def read(path: FilePath, base: Rules, known: Known) -> Written:
    """Return what the file at *path* says.

    Args:
        path: The file.
        base: What holds where it says nothing.
        known: What there is to be named.

    Raises:
        Faulty: Something is wrong with it; each fault is a line.
        Unavailable: It can't be read.
    """
    return reading(path, _text(path), base, known)


def reading(path: FilePath, text: str, base: Rules, known: Known) -> Written:
    """Return what *text* says, which is or is to be in the file at *path*; see `read`."""
    if found := sorted(_secrets(text, known.secrets)):
        raise Faulty(path, found)
    raw = _parsed(path, text)
    one = _Reading(known, lines_of(text))
    faults = [*one.secret_keys(raw, ())] or [*one.file(raw)]
    written = Written(one.scopes, one.prices, one.paths, one.lines)
    if faults := faults or [*judged(written, base, known)]:
        raise Faulty(path, faults)
    return written


def _text(path: FilePath) -> str:
    try:
        if not path.is_file():
            raise Unavailable(f"{path} is no file." if path.exists() else f"{path} is not there.")
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise Unavailable(f"{path} is longer than {LONGEST:,} bytes.")
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise Unavailable(f"{path} can't be read ({error.strerror}).") from None
    except UnicodeError:
        raise Unavailable(f"{path} is not UTF-8: save it as UTF-8 in your editor.") from None


def _parsed(path: FilePath, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise Faulty(path, [Fault(0, "its lists and tables are too deep.")]) from None
    except ValueError as error:
        said = str(error)
        place = _PLACE.search(said)
        line = int(place[1]) if place and place[1] else text.count("\n") + 1 if place else 0
        raise Faulty(path, [Fault(line, f"this is no TOML: {_said(_PLACE.sub('', said))}.")]) from None


def _said(what: str) -> str:
    """Return what `tomllib` said, in words for who wrote the file."""
    for twice, told in _SAID:
        if found := twice.search(what):
            names = re.findall(r"'([^']*)'", found[1] or "") if found.lastindex else []
            return told.format(dotted(names))
    return what


def _secrets(text: str, secrets: Collection[str]) -> Iterator[Fault]:
    """Find tokens anywhere, in comments too."""
    for number, line in enumerate(text.split("\n"), 1):
        if token_in(line) or any(secret in line for secret in secrets):
            yield Fault(
                number, "a secret is there. Secrets belong in the environment or in .env: take it out."
            )


class _Reading:
    """One file being read: what was found to be good so far."""

    def __init__(self, known: Known, lines: Mapping[Path, int]) -> None:
        self.scopes: dict[Path, Scope] = {}
        self.prices: dict[str, PriceKeys] = {}
        self.paths: dict[Path, Path] = {}
        self.lines = lines
        self._known = known

    def secret_keys(self, raw: Any, path: Path) -> Iterator[Fault]:
        """Find keys that say of themselves that their values are secrets; ids and models are no such keys."""
        if isinstance(raw, dict):
            for name, value in raw.items():
                at = (*path, name)
                if not isinstance(value, dict) and SECRET_KEY.fullmatch(name):
                    told = f"{dotted(at)} is for a secret, which belongs in the environment or in .env."
                    yield Fault(line_at(self.lines, at), told)
                yield from self.secret_keys(value, at)

    def file(self, raw: Mapping[str, Any]) -> Iterator[Fault]:
        """Read all tables; yield what is wrong."""
        platforms = self._known.platforms
        for name, value in raw.items():
            path = (name,)
            if name in Scope.model_fields:
                yield self._fault(path, f"{name} stands before all tables: put it below [defaults].")
            elif name not in {*DEFAULTS, PRICES, *platforms}:
                yield self._fault(path, unknown(path, [*DEFAULTS, *platforms, PRICES]))
            elif not isinstance(value, dict):
                yield self._fault(path, wrong(path, value, "a table"))
            elif name == PRICES:
                yield from self._prices(value)
            else:
                yield from self._wide(path, value, platforms.get(name, {}))

    def _fault(self, path: Path, text: str) -> Fault:
        return Fault(line_at(self.lines, path), text)

    def _wide(self, path: Path, raw: dict[str, Any], tables: Mapping[str, Table]) -> Iterator[Fault]:
        """Read the defaults, or a platform's part with its tables of places."""
        own = {key: each for key, each in raw.items() if key not in tables}
        yield from self._scope(own, path, path, tables)
        for key, table in tables.items():
            yield from self._places(raw.get(key, {}), (*path, key), table)

    def _places(self, raw: Any, path: Path, table: Table) -> Iterator[Fault]:
        """Read the tables of one kind of place."""
        if not isinstance(raw, dict):
            yield self._fault(path, wrong(path, raw, "tables by ids"))
            return
        for place, each in raw.items():
            at = (*path, place)
            if not table.ids.fullmatch(place):
                example = f", as in [{dotted((*path, table.example))}]" if table.example else ""
                yield self._fault(at, f"[{dotted(at)}] does not name its place by an id{example}.")
            else:
                yield from self._scope(each, at, (path[0], table.level, place))

    def _scope(self, raw: Any, at: Path, path: Path, tables: Collection[str] = ()) -> Iterator[Fault]:
        """Read one table, which stands *at* and is kept as *path*."""
        try:
            self.scopes[path] = Scope.model_validate(raw)
            self.paths[path] = at
        except ValidationError as error:
            yield from faults_of(error, Scope, at, self.lines, tables)

    def _prices(self, raw: dict[str, Any]) -> Iterator[Fault]:
        for model, each in raw.items():
            try:
                self.prices[model] = PriceKeys.model_validate(each)
            except ValidationError as error:
                yield from faults_of(error, PriceKeys, (PRICES, model), self.lines)


def judged(written: Written, base: Rules, known: Known) -> Iterator[Fault]:
    """Yield what is wrong with *written* beside *base*, each table by itself being good."""
    for path, rules in Rulebook(base, written).each():
        scope = written.scopes.get(path)
        if scope:
            yield from _of_caps(written, path, scope)
            yield from _of_names(written, path, "tools", scope.tools, known.tools)
            yield from _of_names(written, path, "mcp", scope.mcp, known.servers)
        if path == DEFAULTS or (scope and {"model", "models", "caps"} & scope.given.keys()):
            yield from _of_models(written, path, rules, known)


def _of_caps(written: Written, path: Path, scope: Scope) -> Iterator[Fault]:
    """Caps of all make sense for all alone, those of a workspace for none of its channels."""
    level = "" if path == DEFAULTS else "platform" if len(path) == 1 else path[1]
    for name in scope.caps.given:
        if level not in WIDE.get(name, (level,)):
            at = (*written.paths[path], "caps", name)
            where = "[defaults.caps]" if name in {"day", "month"} else "[defaults.caps], or below a workspace"
            yield Fault(line_at(written.lines, at), f"{dotted(at)} has to stand in {where}.")


def _of_names(
    written: Written, path: Path, key: str, names: Sequence[str], known: Collection[str] | None
) -> Iterator[Fault]:
    """Look for names that there are not, or are there twice."""
    for number, name in enumerate(names):
        at = (*written.paths[path], key)
        line = line_at(written.lines, (*at, str(number)))
        if known is not None and name not in known:
            yield Fault(line, f'{dotted(at)} has "{name}": {nearest(name, known)}')
        elif name in names[:number]:
            yield Fault(line, f'{dotted(at)} has "{name}" twice.')


def _of_models(written: Written, path: Path, rules: Rules, known: Known) -> Iterator[Fault]:
    """Look for a model that may not be chosen, or that costs nobody knows what."""
    at, line = dotted(written.paths.get(path, path)), written.line(path, "model", "models", "caps")
    if rules.models and rules.model not in rules.models:
        choice = ", ".join(rules.models)
        yield Fault(line, f'{at}: the model "{rules.model}" is none of its models: {choice}.')
    if not rules.caps or known.priced is None:
        return
    tables = (written.scopes[each].given for each in (DEFAULTS, path[:1], path) if each in written.scopes)
    of_file = any("model" in given for given in tables)
    others = {} if path != DEFAULTS else dict.fromkeys(known.others, "RIVULET_FALLBACK_MODEL")
    for model in dict.fromkeys([rules.model, *rules.models, *others]):
        if model not in written.prices and not known.priced(model):
            told = f'there is no price of "{model}", and caps need one: {nearest(model, known.models)}'
            table = f'Else add [prices."{model}"] to config.toml, or set all caps to 0 there.'
            # What the environment says is told once, and not of the tables that it holds in.
            setting = "RIVULET_MODEL" if model == rules.model and not of_file else others.get(model)
            yield Fault(ELSEWHERE if setting else line, f"{setting or at}: {told} {table}")
