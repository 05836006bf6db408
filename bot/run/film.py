"""A film of a browser's page: a picture every now and then, all of them in one animated WebP."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from bot.run.chromium import Tab

#: Seconds between two pictures.
FRAME = 0.2
#: WebP's quality; text stays legible, and the film under 3 MB.
QUALITY = 55
#: EXIF's ImageDescription, where the claims are.
DESCRIPTION = 0x010E


@dataclass(slots=True)
class Film:
    """Pictures, and how long each is shown.

    Attributes:
        tab: What is filmed.
        pictures: All so far.
        times: How long each is shown, in ms.
        holds: Whether nothing is filmed for now, because nothing can be seen to happen.
    """

    tab: Tab
    pictures: list[Image.Image] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    holds: bool = False

    @asynccontextmanager
    async def rolling(self) -> AsyncIterator[None]:
        """Film while the block runs."""
        filming = asyncio.create_task(self._film())
        try:
            yield
        finally:
            filming.cancel()
            await asyncio.wait([filming])
        if not filming.cancelled():
            filming.result()

    def save(self, path: Path, told: dict[str, Any]) -> int:
        """Write all to *path*, with what is *told* in it; return its bytes."""
        exif = Image.Exif()
        exif[DESCRIPTION] = json.dumps(told)
        first, *rest = self.pictures
        shape = {"duration": self.times, "loop": 0, "quality": QUALITY, "method": 4, "minimize_size": True}
        first.save(path, "WEBP", save_all=True, append_images=rest, exif=exif.tobytes(), **shape)
        return path.stat().st_size

    async def _film(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            if self.holds:
                await asyncio.sleep(FRAME)
                continue
            picture = Image.open(io.BytesIO(await self.tab.picture())).convert("RGB")
            await asyncio.sleep(began + FRAME - loop.time())
            self.pictures.append(picture)
            self.times.append(round((loop.time() - began) * 1000))
