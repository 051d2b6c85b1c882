"""Lists the licences of all that Limner needs to run, and fails where one is not known to go with Apache-2.0.

Asks the packages that are installed, so that what a build of torch brings along is among them.
"""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

#: SPDX's names, and what older packages say in place of them. None asks for more of those who pass Limner on than
#: to name authors and terms, and of MPL-2.0 to show changes to its own files.
ALLOWED = {
    *("0BSD", "BSD License", "BSD-2-Clause", "BSD-3-Clause"),
    *("MIT", "MIT License", "MIT-0", "MIT-CMU", "HPND", "ISC", "ISC License (ISCL)"),
    *("Apache-2.0", "Apache 2.0 License", "Apache Software License", "Apache-2.0 WITH LLVM-exception"),
    *("PSF-2.0", "Python Software Foundation License", "CNRI-Python"),
    *("BSL-1.0", "CC0-1.0", "Unlicense", "Zlib"),
    *("MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)"),
}
#: Come with torch's builds for CUDA, by the operator's own pip, under NVIDIA's terms. Nothing here passes them on;
#: whoever does, in a container say, has to keep to those.
NOT_PASSED_ON = ("nvidia-", "cuda-")


def needed(name: str, extras: frozenset[str], found: dict[str, Distribution]) -> dict[str, Distribution]:
    """The package and all below it, by name."""
    try:
        package = distribution(name)
    except PackageNotFoundError:
        sys.exit(f"{name} is needed and not installed")
    found[name] = package
    for requirement in map(Requirement, package.requires or []):
        marker, below = requirement.marker, re.sub(r"[-_.]+", "-", requirement.name).lower()
        if below not in found and (not marker or any(marker.evaluate({"extra": extra}) for extra in {"", *extras})):
            needed(below, frozenset(requirement.extras), found)
    return found


def licence(package: Distribution) -> str:
    """As the package says it: an SPDX expression, or its classifiers, or a field of free text."""
    said = package.metadata.get_all
    kinds = [line.rpartition(" :: ")[2] for line in said("Classifier", []) if line.startswith("License ::")]
    lines = [line for text in said("License", []) for line in text.splitlines()]
    return next(iter([*said("License-Expression", []), *[" AND ".join(kinds)] * bool(kinds), *lines]), "unknown")


def allowed(expression: str) -> bool:
    """Of each part at least one choice. Brackets around choices do not count, which errs on the strict side."""
    if " OR " in expression:
        expression = expression.replace("(", "").replace(")", "")
    return all(any(choice in ALLOWED for choice in part.split(" OR ")) for part in expression.split(" AND "))


def main() -> str | None:
    packages = {name: licence(package) for name, package in sorted(needed("limner", frozenset(), {}).items())}
    wrong = []
    for name, terms in packages.items():
        if not (allowed(terms) or name.startswith(NOT_PASSED_ON)):
            wrong.append(name)
        sys.stdout.write(f"{name:24} {terms}\n")
    return f"Not known to go with Apache-2.0: {', '.join(wrong)}" if wrong else None


if __name__ == "__main__":
    sys.exit(main())
