"""Pictures of the screens for the README: `python -m tui.screenshots IMAGE FOLDER` writes one SVG for each."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from forensic import open_image
from tui.app import QcowscopeApp
from tui.session.notes import Notes
from tui.session.pictures import picture as drawing_of

SIZE = (140, 40)
WALK: dict[str, tuple[tuple[str, ...], ...]] = {
    "overview": (("1",),),
    "structure": (("2", "g", *"L1[0]", "enter", "enter", "p"),),
    "map": (("3", "right", "right", "down"),),
    "findings": (("4",),),
    "extract": (("5", "f5"), ("escape",)),
    "recovery": (("7", "r"),),
}
"""The keys that lead to what each picture shows; after each group the jobs are waited for.

The extraction writes beside the place from where the program was started.
"""


async def photograph(image_path: Path, folder: Path) -> list[Path]:
    """Walk through an image and save every screen; the pictures are `FOLDER/NAME.svg`."""
    pictures: list[Path] = []
    with open_image(image_path) as image, tempfile.TemporaryDirectory() as session:
        app = QcowscopeApp(image, notes=Notes(Path(session) / "notes.json"))
        async with app.run_test(size=SIZE) as pilot:
            await app.workers.wait_for_complete()
            for name, groups in WALK.items():
                for keys in groups:
                    await pilot.press(*keys)
                    await app.workers.wait_for_complete()
                    await pilot.pause(0.5)  # the owners of a cluster are looked up when the cursor rests
                    await app.workers.wait_for_complete()
                    await pilot.pause()
                picture = folder / f"{name}.svg"
                picture.write_text(drawing_of(app, "qcowscope"), encoding="utf-8")
                pictures.append(picture)
    return pictures


def main(arguments: list[str]) -> int:
    """Write the pictures of one image into a folder."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m tui.screenshots IMAGE FOLDER\n")
        return 2
    folder = Path(arguments[1])
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(photograph(Path(arguments[0]), folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
