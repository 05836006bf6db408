"""Does what the Dockerfile says, without Docker, and looks whether the bot runs: `python -m tests.image`.

The steps are read from the Dockerfile and done in a fresh folder by Python 3.13.  What comes out is run as
the user that the image names, without rights, on a tree that is mounted read-only, beside the emulators.
Prints a line for each claim; exit 1 if one fails, and 0, which is said, where there is no such Python.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import yaml

from adapters.emulators.process import World, spawned
from bot.run.stage import Stage, slack_stage, until

ROOT = Path(__file__).parent.parent
#: Folders of the image, which are folders of ours here.
PLACES = ("/venv", "/app", "/data")
USER = 10001
#: Seconds that anything may take.
PATIENCE = 60.0


@dataclass
class Image:
    """What the Dockerfile makes, in the folder *root*.

    Attributes:
        root: Where it is made; nothing in it but `data` is written later.
        base: What the interpreter needs in the environment.
        env: What it sets.
        entrypoint, command: What it runs.
        health: How it is looked after.
    """

    root: Path
    base: dict[str, str]
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    health: Sequence[str] = ()

    def here(self, text: str) -> str:
        """Return *text* with the image's folders as they are here."""
        return re.sub(rf"(?<![\w.-])({'|'.join(PLACES)})(?![\w-])", rf"{self.root}\1", text)

    def do(self, word: str, rest: str) -> None:
        """Do one instruction."""
        match word:
            case "FROM":
                self.env = {**self.base}
            case "ENV":
                for pair in shlex.split(rest):
                    name, _, value = pair.partition("=")
                    self.env[name] = self.here(value.replace("$PATH", self.env["PATH"]))
            case "WORKDIR":
                self.workdir = self.here(rest)
                Path(self.workdir).mkdir(parents=True, exist_ok=True)
            case "COPY" if "--from" not in rest:  # between the stages all stays where it is
                source, to = rest.split()
                copy(ROOT / source, Path(self.workdir) / to)
            case "RUN":
                subprocess.run(["sh", "-ec", self.here(rest)], cwd=self.workdir, env=self.env, check=True)
            case "ENTRYPOINT" | "CMD":
                setattr(self, "command" if word == "CMD" else "entrypoint", json.loads(rest))
            case "HEALTHCHECK":
                self.health = json.loads(rest[rest.index("[") :])


def copy(source: Path, to: Path) -> None:
    """Copy a file or a folder without what was compiled in it."""
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, to)


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, rest in (line.split(maxsplit=1) for line in lines)]


def python() -> str:
    """Return the path of a Python 3.13 that runs, "" for none."""
    asked = "import sys; print(sys.executable if sys.version_info[:2] == (3, 13) else '')"
    versions = sorted((Path.home() / ".pyenv" / "versions").glob("3.13.*/bin/python3.13"))
    for each in filter(None, [shutil.which("python3.13"), *map(str, versions)]):  # a shim may lead nowhere
        done = subprocess.run([each, "-c", asked], capture_output=True, text=True, check=False)
        if found := done.stdout.strip():
            return found
    return ""


def interpreter(found: str, root: Path) -> dict[str, str]:
    """Put *found* where everybody reaches it, if only its owner does; return what it needs to be run."""
    home = Path(found).resolve().parent.parent
    if any(not parent.stat().st_mode & 0o001 for parent in [home, *home.parents]):
        shutil.copytree(
            home, root / "python", symlinks=True, ignore=shutil.ignore_patterns("test", "__pycache__")
        )
        home = root / "python"
    stubs = root / "stubs"
    stubs.mkdir()
    (stubs / "useradd").write_text("#!/bin/sh\n")  # the number will do
    (stubs / "useradd").chmod(0o755)
    if not (home / "bin" / "python").exists():
        (stubs / "python").symlink_to(home / "bin" / "python3.13")
    quiet = {"PIP_QUIET": "1", "HOME": "/nonexistent"}
    proxies = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    path = f"{home}/bin:{stubs}:/usr/bin:/bin:/usr/sbin:/sbin"
    return {**proxies, **quiet, "LD_LIBRARY_PATH": str(home / "lib"), "PATH": path}


def build(found: str, root: Path) -> Image:
    """Do all instructions of the Dockerfile in *root* with the Python *found*."""
    root.chmod(0o755)
    image = Image(root, interpreter(found, root))
    for word, rest in instructions():
        image.do(word, rest)
    return image


def confined(image: Image, tmp: Path, command: Sequence[str]) -> list[str]:
    """Return what runs *command* as the container would: the tree read-only, no rights, a small /tmp."""
    root, data = shlex.quote(str(image.root)), shlex.quote(str(image.root / "data"))
    mount = (
        f"mount --bind {root} {root} && mount --bind {data} {data} && mount -o remount,bind,ro {root} && "
        f"mount -t tmpfs -o size=64m,noexec,nosuid,nodev,mode=1777 tmpfs {shlex.quote(str(tmp))} && "
    )
    who = f"--reuid {USER} --regid {USER} --clear-groups"
    drop = f"exec setpriv {who} --no-new-privs --bounding-set=-all "
    return ["unshare", "--mount", "sh", "-ec", mount + drop + shlex.join(["--", *command])]


class Claims:
    """What is claimed, and whether it holds.

    Attributes:
        failed: How many do not.
    """

    def __init__(self) -> None:
        self.failed = 0

    def that(self, holds: object, claim: str, said: bytes = b"") -> None:
        """Say whether *claim* holds; if not, also what was *said* on standard error."""
        self.failed += not holds
        print(f"{'ok ' if holds else 'BAD'} {claim}", flush=True)
        if not holds:
            print(said.decode(errors="replace"), flush=True)


class Container:
    """Runs commands of the image as its container would."""

    def __init__(self, image: Image, tmp: Path, world: World) -> None:
        self._image = image
        self._tmp = tmp
        service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["rivulet"]
        self.readiness = service["healthcheck"]["test"][1:]
        self._env = {**image.env, **service["environment"], **settings(world), "TMPDIR": str(tmp)}

    async def begun(self, *command: str) -> Process:
        """Begin *command*; what the image runs where there is none."""
        whole = command or (*self._image.entrypoint, *self._image.command)
        wrapped = confined(self._image, self._tmp, whole)
        workdir = self._image.workdir
        return await asyncio.create_subprocess_exec(
            *wrapped, cwd=workdir, env=self._env, stdout=PIPE, stderr=PIPE
        )

    async def ran(self, *command: str) -> tuple[int, bytes, bytes]:
        """Run *command* to its end."""
        process = await self.begun(*command)
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        return process.returncode or 0, out, err

    async def bot(self, *arguments: str) -> tuple[int, bytes, bytes]:
        """Run a command of the bot."""
        return await self.ran(*self._image.entrypoint, *arguments)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Process]:
        """Run the bot while the block runs."""
        process = await self.begun()
        try:
            yield process
        except TimeoutError:
            process.kill()
            _, err = await process.communicate()
            print(err.decode(errors="replace"))
            raise
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


def settings(world: World) -> Mapping[str, str]:
    """Return what `.env` would say, led to the emulators, on ports that a machine has free."""
    return {
        "ANTHROPIC_API_KEY": "sk-test",
        "ANTHROPIC_BASE_URL": world.claude.url,
        "SLACK_BOT_TOKEN": "xoxb-test",
        "SLACK_APP_TOKEN": "xapp-test",
        "SLACK_API_URL": f"{world.slack.url}/api/",
        "DISCORD_BOT_TOKEN": "test",
        "DISCORD_API_URL": f"{world.discord.url}/api/v10",
        "DISCORD_GATEWAY_URL": f"{world.discord.url.replace('http', 'ws', 1)}/gw/",
        "RIVULET_DISCORD_GUILDS": "100",
        "RIVULET_HOST": "127.0.0.1",
        "RIVULET_PORT": "18080",
        "RIVULET_METRICS": "127.0.0.1:19464",
    }


async def tried(image: Image, tmp: Path, claims: Claims) -> None:
    """Run the bot, and look whether it does what it should."""
    async with spawned() as world:
        container = Container(image, tmp, world)
        who = "import os, sys; print(sys.version_info[:2], os.getuid()); open(sys.argv[1], 'w')"
        code, out, err = await container.ran("python", "-c", who, image.here("/app/x"))
        claims.that(out == f"(3, 13) {USER}\n".encode(), "runs under Python 3.13 as 10001", err)
        claims.that(code and b"Read-only file system" in err, "can't write to its own code", err)
        code, out, err = await container.bot("doctor")
        claims.that(code == 0, "the doctor finds nothing fatal", out + err)
        began = time.monotonic()
        async with container.running() as process:
            await world.claude.script(steps=["From the ", "image."])
            await healthy(container)
            took = time.monotonic() - began
            claims.that(True, f"all platforms are heard {took:.1f} s after the start")
            claims.that((await container.ran(*image.health))[0] == 0, "the image's health check is content")
            stage = slack_stage(world)
            question = await stage.say("where are you from?")
            claims.that(
                await until(lambda: answered(stage, question, "From the image."), PATIENCE), "it answers"
            )
            async with (
                aiohttp.ClientSession() as session,
                session.get("http://127.0.0.1:19464/metrics") as said,
            ):
                text = await said.text()
            claims.that(
                'rivulet_answers_total{ending="finished",platform="slack"} 1.0' in text, "its metrics say so"
            )
            code, out, _ = await container.bot("backup", "-")
            claims.that(
                code == 0 and out.startswith(b"SQLite format 3"), "its ledger is copied while it runs"
            )
            code, out, _ = await container.bot("top", "--once")
            claims.that(code == 0 and b"1 finished" in out, "`top` shows it")
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, err = await asyncio.wait_for(process.communicate(), PATIENCE)
            took = time.monotonic() - began
            claims.that(process.returncode == 0, f"SIGTERM ends it in {took:.1f} s with exit code 0")
        claims.that(all(is_json(line) for line in err.splitlines()), "its log is lines of JSON")
        claims.that((await container.ran(*image.health))[0] != 0, "then the health check is not content")


async def healthy(container: Container) -> None:
    """Wait until Compose would call the container healthy."""
    async with asyncio.timeout(PATIENCE):
        while (await container.ran(*container.readiness))[0]:
            await asyncio.sleep(0.1)


async def answered(stage: Stage, question: str, text: str) -> bool:
    """Tell whether *question* has its answer."""
    answers = await stage.answers(question)
    return bool(answers) and answers[-1]["text"] == text and not answers[-1]["live"]


def is_json(line: bytes) -> bool:
    """Tell whether *line* is a JSON object."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def seen(root: Path) -> dict[str, int]:
    """Return when each file below *root* was last changed, but for the data."""
    data = root / "data"
    return {
        str(path): path.lstat().st_mtime_ns
        for path in root.rglob("*")
        if data != path and data not in path.parents
    }


def main() -> int:
    """Build and try the image."""
    found = python()
    if not found:
        print("There is no Python 3.13 here: the image's steps were not run.")
        return 0
    if os.getuid() or not all(map(shutil.which, ("unshare", "setpriv"))):
        print("Only root, with unshare and setpriv, can do that: the image's steps were not run.")
        return 0
    claims = Claims()
    with (
        tempfile.TemporaryDirectory(prefix="rivulet-image-", dir="/var/tmp") as folder,
        tempfile.TemporaryDirectory(prefix="rivulet-tmp-", dir="/var/tmp") as tmp,
    ):
        began = time.monotonic()
        image = build(found, Path(folder))
        claims.that(True, f"the Dockerfile's steps are done in {time.monotonic() - began:.0f} s")
        before = seen(image.root)
        asyncio.run(tried(image, Path(tmp), claims))
        claims.that(seen(image.root) == before, "nothing but /data was written")
        claims.that(not [*Path(tmp).iterdir()], "/tmp is gone with it")
    return 1 if claims.failed else 0


if __name__ == "__main__":
    sys.exit(main())
