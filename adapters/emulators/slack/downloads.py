"""Files as Slack gives them out: at their private address, to who has a token with the scope `files:read`.

As documented at files.info and in the file object's page: "url_private ... provide your app's token in the
Authorization header"; without the scope, or a good token, the answer is a page to sign in at.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web

from adapters.emulators.slack import files, shapes
from adapters.emulators.slack.arguments import Arguments, Refused
from adapters.emulators.slack.files import Stored
from adapters.emulators.slack.shapes import Json
from adapters.emulators.slack.workspace import Workspace

SCOPE = "files:read"
SIGN_IN = "<!DOCTYPE html><html><head><title>Slack</title></head><body>Sign in to Emulated</body></html>"


class Downloads:
    """The addresses of files, and files.info.

    Args:
        workspace: Where files were shared.
        admits: Whether a token is good and has a scope.

    Attributes:
        lost: Names of files that are deleted while messages still tell of them.
    """

    def __init__(self, workspace: Workspace, admits: Callable[[str, str], bool]) -> None:
        self._workspace = workspace
        self._admits = admits
        self.lost: set[str] = set()

    def serve(self, request: web.Request) -> web.Response:
        """Answer a download; where the app may not, with a page, and not with an error."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        id_ = request.match_info["file"].removeprefix(f"{self._workspace.team.id}-")
        if kind != "Bearer" or not self._admits(token, SCOPE):
            return web.Response(text=SIGN_IN, content_type="text/html")
        kept = self._find(id_)
        if kept is None:
            return web.Response(status=404, text="file not found")
        kind = str(files.shape(kept, self._workspace.team.id)["mimetype"])
        shown = {"Content-Disposition": f'attachment; filename="{kept.id}"'}
        return web.Response(body=kept.data, content_type=kind, headers=shown)

    def info(self, arguments: Arguments) -> Json:
        """Tell of one file, as files.info."""
        if not self._admits(str(arguments.get("token") or ""), SCOPE):
            raise Refused("missing_scope", needed=SCOPE)
        kept = self._find(str(arguments.get("file") or ""))
        if kept is None:
            raise Refused("file_not_found")
        return {"file": files.shape(kept, self._workspace.team.id) | {"file_access": "visible"}}

    def _find(self, id_: str) -> Stored | None:
        kept = (each for message in self._workspace.everything() for each in message.files)
        return next((each for each in kept if each.id == id_ and each.name not in self.lost), None)


def given(files: Sequence[str] | Mapping[str, str], user: str, url: str, *, connected: bool) -> list[Stored]:
    """Return files that *user* sends: names, or names with their content in base64."""
    held = files if isinstance(files, Mapping) else dict.fromkeys(files, "eA==")
    return [
        Stored(shapes.token("F"), name, name, base64.b64decode(data), user, url, connected)
        for name, data in held.items()
    ]
