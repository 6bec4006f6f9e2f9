"""Prints the lowest versions that pyproject.toml allows, as constraints for pip: `lowest.py EXTRA...`."""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in sys.argv[1:])]
for requirement in dict.fromkeys(requirement for group in groups for requirement in group):
    bound = re.match(r"([\w.-]+)(?:\[[\w,]+\])?[^;]*?>=\s*([\w.]+)", requirement)
    if bound is None:
        sys.exit(f"{requirement} has no lower bound")
    sys.stdout.write(f"{bound[1]}=={bound[2]}\n")
