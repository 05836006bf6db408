"""Application commands: what the application has registered, and what Discord refuses of it.

After interactions/application-commands.mdx.  Which text a 50035 has where a name is wrong is inferred.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from adapters.emulators.discord.rules import Refusal, invalid
from adapters.emulators.discord.shapes import BOT, Json

CHAT_INPUT, USER, MESSAGE, ENTRY_POINT = 1, 2, 3, 4
SUB_COMMAND, STRING = 1, 3
#: How many global commands of each type there may be, and how many may be made a day.
MOST = {CHAT_INPUT: 100, USER: 15, MESSAGE: 15, ENTRY_POINT: 1}
DAILY = 200
#: ^[-_'\p{L}\p{N}\p{sc=Deva}\p{sc=Thai}]{1,32}$, without upper case; \w is more than that by a few marks.
NAME = re.compile(r"[-'\w]{1,32}")
NAME_LIMIT, DESCRIPTION_LIMIT, OPTIONS, CHOICES, ALL_OF_IT = 32, 100, 25, 25, 8000
VALUE_LIMIT = 6000


class Commands:
    """The global commands of the application.

    Args:
        new_id: Makes snowflakes.

    Attributes:
        made: How many were made today.
    """

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._known: dict[tuple[int, str], Json] = {}
        self.made = 0

    def all(self) -> list[Json]:
        """Return all commands, as GET does."""
        return list(self._known.values())

    def find(self, kind: int, name: str) -> Json:
        """Return a command of a type that people can choose, or raise `LookupError`."""
        try:
            return self._known[kind, name]
        except KeyError:
            raise LookupError(f"there is no command {name!r} of type {kind}") from None

    def overwrite(self, given: Any) -> list[Json]:
        """Take the place of all commands, or raise `Refusal`; what stays as it was keeps its version."""
        if not isinstance(given, list):
            raise invalid([], "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        kinds = Counter(int(each.get("type") or CHAT_INPUT) for each in given)
        for kind, most in MOST.items():
            if kinds[kind] > most:
                raise Refusal(400, 30032, f"Maximum number of application commands reached ({most})")
        named = {(int(each.get("type") or CHAT_INPUT), str(each.get("name"))): each for each in given}
        if len(named) < len(given):
            code = "APPLICATION_COMMANDS_DUPLICATE_NAME"
            raise invalid(["name"], code, "Application command names must be unique")
        for number, each in enumerate(given):
            _check(each, [number])
        if any(kind == ENTRY_POINT for kind, _ in self._known) and not kinds[ENTRY_POINT]:
            text = "You cannot remove this app's Entry Point command in a bulk update operation."
            raise Refusal(400, 50240, text)
        self._spend(sum(key not in self._known for key in named))
        self._known = {key: self._stored(key, each) for key, each in named.items()}
        return self.all()

    def _spend(self, count: int) -> None:
        if self.made + count > DAILY:
            raise Refusal(400, 30034, f"Max number of daily application command creates ({DAILY}) reached")
        self.made += count

    def _stored(self, key: tuple[int, str], given: Json) -> Json:
        before = self._known.get(key, {})
        usual = {
            "id": before.get("id") or self._new_id(),
            "application_id": BOT,
            "type": key[0],
            "description": "",
            "default_member_permissions": None,
            "nsfw": False,
            "integration_types": [0],
            "contexts": None,
            "dm_permission": True,
        }
        stored = {**usual, **{name: value for name, value in given.items() if name not in ("id", "version")}}
        if "options" in given:
            stored["options"] = [_kept(each) for each in given["options"]]
        same = {**stored, "version": before.get("version")} == before
        return {**stored, "version": before["version"] if same else self._new_id()}


def _kept(option: Json) -> Json:
    """Return an option as Discord tells it: what says nothing is left out."""
    kept = {name: value for name, value in option.items() if value not in (None, False, [])}
    if "options" in kept:
        kept["options"] = [_kept(each) for each in kept["options"]]
    return kept


def _check(given: Json, path: Sequence[str | int]) -> None:
    kind, name = int(given.get("type") or CHAT_INPUT), str(given.get("name") or "")
    if kind == CHAT_INPUT:
        _check_name(name, path)
        _check_description(given, path)
        _check_options(given.get("options") or [], path)
        if sum(map(len, _texts(given))) > ALL_OF_IT:
            code = "APPLICATION_COMMAND_TOO_LARGE"
            raise invalid(path, code, f"Command exceeds maximum size ({ALL_OF_IT})")
        return
    if not 1 <= len(name) <= NAME_LIMIT:
        raise invalid([*path, "name"], "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 32 in length.")
    if kind != ENTRY_POINT and given.get("description"):
        code = "APPLICATION_COMMAND_DESCRIPTION_NOT_ALLOWED"
        raise invalid([*path, "description"], code, "Context menu commands cannot have description")
    if given.get("options"):
        code = "APPLICATION_COMMAND_OPTIONS_NOT_ALLOWED"
        raise invalid([*path, "options"], code, "Context menu commands cannot have options")


def _check_name(name: str, path: Sequence[str | int]) -> None:
    if not NAME.fullmatch(name) or name != name.lower():
        code = "APPLICATION_COMMAND_INVALID_NAME"
        raise invalid([*path, "name"], code, "Command name is invalid")


def _check_description(given: Json, path: Sequence[str | int]) -> None:
    if not 1 <= len(str(given.get("description") or "")) <= DESCRIPTION_LIMIT:
        text = f"Must be between 1 and {DESCRIPTION_LIMIT} in length."
        raise invalid([*path, "description"], "BASE_TYPE_BAD_LENGTH", text)


def _check_options(options: Sequence[Json], path: Sequence[str | int]) -> None:
    if len(options) > OPTIONS:
        raise invalid([*path, "options"], "BASE_TYPE_MAX_LENGTH", f"Must be {OPTIONS} or fewer in length.")
    if len({each.get("name") for each in options}) < len(options):
        code = "APPLICATION_COMMAND_OPTIONS_NAME_INVALID"
        raise invalid([*path, "options"], code, "Option names must be unique")
    required = [bool(each.get("required")) for each in options]
    if required != sorted(required, reverse=True):
        code = "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"
        raise invalid([*path, "options"], code, "Required options must be placed before non-required options")
    for number, each in enumerate(options):
        _check_option(each, [*path, "options", number])


def _check_option(option: Json, path: Sequence[str | int]) -> None:
    _check_name(str(option.get("name") or ""), path)
    _check_description(option, path)
    _check_options(option.get("options") or [], path)
    if len(option.get("choices") or []) > CHOICES:
        raise invalid([*path, "choices"], "BASE_TYPE_MAX_LENGTH", f"Must be {CHOICES} or fewer in length.")
    if option.get("choices") and option.get("autocomplete"):
        code = "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_INVALID"
        raise invalid([*path, "autocomplete"], code, "Options with choices cannot autocomplete")
    for name, least in (("min_length", 0), ("max_length", 1)):
        if not least <= int(option.get(name, 1)) <= VALUE_LIMIT:
            text = f"int value should be between {least} and {VALUE_LIMIT}."
            raise invalid([*path, name], "NUMBER_TYPE_MAX", text)


def _texts(given: Json) -> Iterator[str]:
    """Yield what counts towards the size of a command: names, descriptions, values."""
    yield from (str(given.get(name) or "") for name in ("name", "description", "value"))
    for each in [*(given.get("options") or []), *(given.get("choices") or [])]:
        yield from _texts(each)


def filled(command: Json, values: Mapping[str, str]) -> list[Json]:
    """Return the options of an interaction, as a person's client fills them in.

    Args:
        command: As it was registered.
        values: The person's values by the options' names; a subcommand's name with "" for its value.

    Raises:
        LookupError, ValueError: The client would not let them.
    """
    options = {each["name"]: each for each in command.get("options") or []}
    subs = [name for name, each in options.items() if each["type"] == SUB_COMMAND]
    if subs:
        [chosen] = [name for name in subs if name in values]
        inner = {name: value for name, value in values.items() if name != chosen}
        return [{"type": SUB_COMMAND, "name": chosen, "options": filled(options[chosen], inner)}]
    for name, each in options.items():
        if each.get("required") and not values.get(name):
            raise ValueError(f"the option {name!r} is required")
    return [_value(options[name], value) for name, value in values.items()]


def _value(option: Json, value: str) -> Json:
    if len(value) > option.get("max_length", VALUE_LIMIT):
        raise ValueError(f"the option {option['name']!r} is too long")
    if option.get("choices") and value not in [each["value"] for each in option["choices"]]:
        raise ValueError(f"{value!r} is no choice")
    return {"type": option["type"], "name": option["name"], "value": value}
