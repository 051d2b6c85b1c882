"""That the doors between the rooms, which import-linter holds, leave no room out."""

from pathlib import Path

import grimp

PROJECT = Path(__file__).parents[1]
ROOMS = ("bot", "adapters", "storage")


def test_import_linter_sees_every_module() -> None:
    """It overlooks folders without an __init__.py, and setuptools does not install them."""
    written = {
        ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
        for room in ROOMS
        for path in (PROJECT / room).rglob("*.py")
    }

    assert grimp.build_graph(*ROOMS).modules == written
