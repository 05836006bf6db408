"""Modals: what Discord refuses of one, and what it tells of how somebody has filled it in.

After interactions/receiving-and-responding.mdx and components/reference.mdx.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from adapters.emulators.discord.rules import CUSTOM_ID_LIMIT, invalid
from adapters.emulators.discord.shapes import Json, numbered

TITLE_LIMIT, LABEL_LIMIT, DESCRIPTION_LIMIT, PLACEHOLDER_LIMIT, VALUE_LIMIT = 45, 45, 100, 100, 4000
COMPONENTS = 5
ROW, TEXT_INPUT, LABEL = 1, 4, 18


def check_modal(data: Json) -> None:
    """Raise `Refusal` for a modal that there may not be."""
    _length(["data", "custom_id"], data.get("custom_id"), CUSTOM_ID_LIMIT)
    _length(["data", "title"], data.get("title"), TITLE_LIMIT)
    components = data.get("components") or []
    if not 1 <= len(components) <= COMPONENTS:
        text = f"Must be between 1 and {COMPONENTS} in length."
        raise invalid(["data", "components"], "BASE_TYPE_BAD_LENGTH", text)
    for number, each in enumerate(components):
        _check_component(each, ["data", "components", number])


def _check_component(each: Json, path: Sequence[str | int]) -> None:
    if each.get("type") not in (ROW, LABEL):
        raise invalid([*path, "type"], "BASE_TYPE_CHOICES", "Value must be one of (1, 10, 18).")
    if each["type"] == LABEL:
        _length([*path, "label"], each.get("label"), LABEL_LIMIT)
        _length([*path, "description"], each.get("description"), DESCRIPTION_LIMIT, least=0)
    for field in _inner(each):
        _length([*path, "custom_id"], field.get("custom_id"), CUSTOM_ID_LIMIT)
        _length([*path, "placeholder"], field.get("placeholder"), PLACEHOLDER_LIMIT, least=0)
        _length([*path, "value"], field.get("value"), VALUE_LIMIT, least=0)
        if not 1 <= int(field.get("max_length", VALUE_LIMIT)) <= VALUE_LIMIT:
            raise invalid([*path, "max_length"], "NUMBER_TYPE_MAX", f"Must be {VALUE_LIMIT} or fewer.")
        if each["type"] == LABEL and "label" in field:
            raise invalid([*path, "component", "label"], "BASE_TYPE_BAD", "Not allowed inside of a label.")


def _length(path: Sequence[str | int], value: object, most: int, least: int = 1) -> None:
    if not least <= len(str(value or "")) <= most:
        raise invalid(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")


def _inner(each: Json) -> list[Json]:
    return [each["component"]] if "component" in each else list(each.get("components") or [])


def fields(data: Json) -> Iterator[Json]:
    """Yield the text inputs of a modal."""
    for each in data["components"]:
        yield from (field for field in _inner(each) if field.get("type") == TEXT_INPUT)


def submitted(data: Json, values: Mapping[str, str]) -> Json:
    """Return the data of a MODAL_SUBMIT: the modal *data*, filled in with *values* by custom id.

    Raises:
        ValueError: The client would not let anybody submit that.
    """
    for field in fields(data):
        value = values.get(field["custom_id"], field.get("value", ""))
        longest, least = field.get("max_length", VALUE_LIMIT), field.get("min_length", 0)
        if (field.get("required", True) and not value) or not least <= len(value) <= longest:
            raise ValueError(f"the field {field['custom_id']!r} can't hold {value[:20]!r}")
    return {
        "custom_id": data["custom_id"],
        "components": [_filled(each, values) for each in numbered(data["components"])],
    }


def _filled(each: Json, values: Mapping[str, str]) -> Json:
    told = [
        {
            "type": TEXT_INPUT,
            "id": field.get("id", each["id"] + 1),
            "custom_id": field["custom_id"],
            "value": values.get(field["custom_id"], field.get("value", "")),
        }
        for field in _inner(each)
    ]
    inner: Json = {"component": told[0]} if each["type"] == LABEL else {"components": told}
    return {"type": each["type"], "id": each["id"], **inner}
