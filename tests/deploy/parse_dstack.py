"""Prints as JSON what dstack's own models read from the current folder. Runs in the environment that has dstack."""

import json
import sys
from pathlib import Path

from dstack._internal.cli.services.configurators import load_apply_configuration  # type: ignore[import-not-found]
from dstack._internal.core.errors import ConfigurationError  # type: ignore[import-not-found]
from dstack.api.utils import load_profile  # type: ignore[import-not-found]

FILES = {
    "bot": "bot.dstack.yml",
    "cluster": "cluster.dstack.yml",
    "fleet": ".dstack/fleet.dstack.yml",
    "cluster_fleet": ".dstack/cluster-fleet.dstack.yml",
    "volume": ".dstack/volume.dstack.yml",
}


def main() -> None:
    try:
        read = {name: load_apply_configuration(file)[1].model_dump(mode="json") for name, file in FILES.items()}
        profiles = {name or "default": load_profile(Path.cwd(), name) for name in (None, *sys.argv[1:])}
    except ConfigurationError as error:
        sys.exit(str(error))
    read["profiles"] = {name: profile.model_dump(mode="json") for name, profile in profiles.items()}
    json.dump(read, sys.stdout)


if __name__ == "__main__":
    main()
