"""The site: `make docs`, which is sphinx-build with this file.

The source directory is the repository, so that every page keeps the links that it has on a forge: README.md is the
first page, ../SECURITY.md is a page as well, and a link to any other file is a link to that file.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kzram_ci import __version__  # noqa: E402

project = "kzram-ci"
author = "the kzram-ci authors"
copyright = author
release = version = __version__

extensions = ["myst_parser", "sphinx_external_toc"]
external_toc_path = "docs/_toc.yml"
include_patterns = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**.md"]
exclude_patterns = [".git", ".venv", "build", "dist", "kernels", "runs", "tests"]  # not even looked into
source_suffix = {".md": "markdown"}
nitpicky = True
# Headings are link targets to the depth that pages link to
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"kzram-ci {version}"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
highlight_language = "none"
