"""Whom `config.toml` names: ids that are none of a platform's, and the admins that a platform may know."""

from __future__ import annotations

from collections.abc import Mapping

from bot.config.faults import dotted
from bot.config.rules import DEFAULTS, Written
from bot.setup import Shape

#: Keys of a table `who` that hold ids.
KEYS = ("allow", "deny", "admins")


def misshapen(written: Written, shapes: Mapping[str, Shape | None]) -> list[str]:
    """Return a line for each id that can be nobody's.

    Args:
        written: What the file says.
        shapes: What ids of people look like on each platform that is served; None where any text may be one.
    """
    found = []
    for path, scope in written.scopes.items():
        meant = {name: shape for name, shape in shapes.items() if path in {DEFAULTS, (name, *path[1:])}}
        if not meant or None in meant.values() or "who" not in scope.given:
            continue
        told = scope.given["who"].given
        for key in KEYS:
            for id_ in told.get(key, ()):
                if not any(shape and shape.fits(id_) for shape in meant.values()):
                    where = dotted((*written.paths.get(path, path), "who", key))
                    found.append(f'{where} has "{id_}", which is no id of {" or ".join(meant)}.')
    return found


def admins(written: Written, platform: str, shape: Shape | None) -> list[str]:
    """Return the ids that are an admin's somewhere on *platform*, whose ids have *shape*.

    What `[defaults]` names is meant for another platform where it has not; with None that can't be told.
    """
    own = {DEFAULTS} if shape else set()
    given = [
        scope.given["who"].given.get("admins", ())
        for path, scope in written.scopes.items()
        if path in {*own, (platform, *path[1:])} and "who" in scope.given
    ]
    return [*dict.fromkeys(id_ for ids in given for id_ in ids if shape is None or shape.fits(id_))]
