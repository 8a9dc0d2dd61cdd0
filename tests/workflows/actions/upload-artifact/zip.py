"""Zip files and folders as actions/upload-artifact does.

One folder: what it holds. More paths: each below their common folder, the current one. Fails where
there is nothing.
"""

import sys
import zipfile
from pathlib import Path

target, *paths = map(Path, sys.argv[1:])
below = Path()
if len(paths) == 1:
    below = paths[0] if paths[0].is_dir() else paths[0].parent
files = [
    file
    for path in paths
    for file in (path.rglob("*") if path.is_dir() else [path])
    if file.is_file()
]
if not files:
    sys.exit(f"no files found: {', '.join(map(str, paths))}")
with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
    for file in sorted(files):
        archive.write(file, file.relative_to(below))
