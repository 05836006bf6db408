"""A file as Slack keeps and shows it.  Pure but for the time."""

from __future__ import annotations

import mimetypes
import time
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """One file as Slack keeps it.

    Attributes:
        url: Where it is served.
        connected: Whether it came from another workspace: messages then tell its id, and files.info the rest.
    """

    id: str
    name: str
    title: str
    data: bytes
    user: str
    url: str = "https://files.slack.com"
    connected: bool = False


def shape(kept: Stored, team: str) -> Json:
    """Return a file as files.info tells of it."""
    private = f"{kept.url}/files-pri/{team}-{kept.id}"
    kind = kept.name.rpartition(".")[2].lower() if "." in kept.name else "binary"
    return {
        "id": kept.id,
        "created": int(time.time()),
        "timestamp": int(time.time()),
        "name": kept.name,
        "title": kept.title,
        "mimetype": mimetypes.guess_type(kept.name)[0] or "application/octet-stream",
        "filetype": kind,
        "pretty_type": kind.upper(),
        "user": kept.user,
        "user_team": team,
        "editable": False,
        "size": len(kept.data),
        "mode": "hosted",
        "is_external": False,
        "external_type": "",
        "is_public": True,
        "public_url_shared": False,
        "display_as_bot": False,
        "username": "",
        "url_private": f"{private}/{kept.name}",
        "url_private_download": f"{private}/download/{kept.name}",
        "permalink": f"https://emulated.slack.com/files/{kept.user}/{kept.id}/{kept.name}",
        "has_rich_preview": False,
        "file_access": "visible",
    }


def told(kept: Stored, team: str) -> Json:
    """Return a file as messages carry it: of one from another workspace, next to nothing."""
    if kept.connected:
        return {"id": kept.id, "mode": "file_access", "file_access": "check_file_info", "user": kept.user}
    return shape(kept, team)
