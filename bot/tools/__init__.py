"""Tools: what the model may call while it answers.  All that the author of a tool needs is in this file.

A tool is an async function with types and a docstring:

    @tool(title="rolling dice")
    async def roll(sides: Annotated[int, Field(ge=2, le=100)] = 6) -> str:
        \"\"\"Roll one die and return the number on top.\"\"\"
        return str(random.randint(1, sides))

The model reads the docstring and the schema that pydantic makes of the signature.  A first parameter of type
`Caller` is not given by the model: it says for whom the tool runs.  Of a `Refused` that a tool raises the
model reads the message; every other exception is logged, and the model reads that the tool failed.
docs/write-a-tool.md makes a package of a tool.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from bot.tools.strict import strict

if TYPE_CHECKING:  # whoever looks at the settings needs the names of tools, and nothing of these
    from bot.events import File
    from bot.model import Result
    from bot.platform import Actor, Place, Said
    from bot.tools.notebook import Notebook

#: What the API takes for a tool's name.
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: The kinds of parameters that can't be given by name.
UNNAMED = (
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
    inspect.Parameter.POSITIONAL_ONLY,
)
#: Reads so many messages.
Read = Callable[[int], Awaitable[Sequence["Said"]]]


class Refused(Exception):
    """A tool can't do what it was asked; the message is for the model."""


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom a tool runs.  It may do only what this person may.

    Attributes:
        actor: Who asked; the question was authorized.
        place: Where.
        conversation: Which; see `Mention.conversation`.
        files: What came with the question, then what came before it, the newest first.
        said: Reads the newest messages of this conversation, oldest first.
        recent: Reads the newest messages of the channel, oldest first.
        fetch: Returns the content of one of `files`; raises as `Surface.fetch`.
        notes: The notes of this channel.
    """

    actor: Actor
    place: Place
    conversation: str
    files: tuple[File, ...] = ()
    said: Read = field(default=None, compare=False)  # type: ignore[assignment]
    recent: Read = field(default=None, compare=False)  # type: ignore[assignment]
    fetch: Callable[[File], Awaitable[bytes]] = field(default=None, compare=False)  # type: ignore[assignment]
    notes: Notebook = field(default=None, compare=False)  # type: ignore[assignment]


#: Says which tools there are besides, when an answer begins; soon, and whatever happens.
More = Callable[[], Awaitable[Sequence["Offered"]]]

#: Runs a tool for somebody, with the input that the model gave.
Use = Callable[[Caller, Mapping[str, Any]], Awaitable["Result"]]


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool, before it is known for whom it runs.

    Attributes:
        described: Its description, in the API's form.
        use: Runs it; None for one that the API runs itself.
        title: What people read while it runs.
        seconds: How long one call may take.
        writes: Whether it changes something: the ledger then knows of a call before it is made.
        asks: Whether the asker, or an admin of the bot, has to allow each call.
    """

    described: Mapping[str, Any]
    use: Use | None = field(compare=False)
    title: str = ""
    seconds: float = 30.0
    writes: bool = False
    asks: bool = False

    @property
    def name(self) -> str:
        """What the model calls it by."""
        return str(self.described["name"])


def tool(
    *, title: str = "", seconds: float = 30.0, writes: bool = False, asks: bool = False
) -> Callable[[Callable[..., Awaitable[Any]]], Offered]:
    """Make a tool of an async function; see the top of this file, and `Offered` for the parameters.

    Raises:
        TypeError: The function has no docstring, a name that the API does not take, or a parameter without a
            type.
    """

    def made(function: Callable[..., Awaitable[Any]]) -> Offered:
        given, takes_caller = _given(function)
        names = [field.alias or "" for field in given.model_fields.values()]

        from bot.model import Result  # noqa: PLC0415  see above

        async def use(caller: Caller, told: Mapping[str, Any]) -> Result:
            try:
                values = given.model_validate(told)
            except ValidationError as error:
                return Result(f"The input is not valid: {_explained(error)}.", error=True)
            named = dict(zip(names, (value for _, value in values), strict=True))
            try:
                found = await (function(caller, **named) if takes_caller else function(**named))
            except Refused as refused:
                return Result(str(refused), error=True)
            return found if isinstance(found, Result) else Result(str(found))

        name = function.__name__
        described = _described(name, inspect.cleandoc(function.__doc__ or ""), given)
        return Offered(described, use, title or name.replace("_", " "), seconds, writes, asks)

    return made


def _described(name: str, description: str, given: type[BaseModel]) -> dict[str, Any]:
    """Return a tool's description in the API's form."""
    schema = {"additionalProperties": False, **given.model_json_schema()}
    schema.pop("title", None)
    described = {"name": name, "description": description, "input_schema": schema}
    return {**described, "strict": True} if strict(schema) else described


def _given(function: Callable[..., Any]) -> tuple[type[BaseModel], bool]:
    """Return a model of what the model gives to *function*, and whether that takes a `Caller` first.

    Its fields have names of their own, because a parameter may be called what pydantic's models have already.
    """
    name = function.__name__
    if not inspect.iscoroutinefunction(function) or not (function.__doc__ or "").strip():
        raise TypeError(f"{name} is no tool: a tool is an async function with a docstring")
    if not NAME.fullmatch(name):
        raise TypeError(f"{name} is no name for a tool: up to 64 of A-Z, a-z, 0-9, _ and -")
    hints = get_type_hints(function, include_extras=True)
    parameters = [*inspect.signature(function).parameters.values()]
    takes_caller = bool(parameters) and hints.get(parameters[0].name) is Caller
    fields: dict[str, Any] = {}
    for number, each in enumerate(parameters[takes_caller:]):
        if each.name not in hints or each.kind in UNNAMED:
            raise TypeError(f"{name} is no tool: {each.name} has no type, or can't be given by name")
        if hints[each.name] is Caller:
            raise TypeError(f"{name} is no tool: a Caller is its first parameter")
        default = ... if each.default is each.empty else each.default
        fields[f"given{number}"] = hints[each.name], Field(default, alias=each.name)
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields), takes_caller


def _explained(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
