"""Zip a file, or what a folder holds, as actions/upload-artifact does."""

import sys
import zipfile
from pathlib import Path

source, target = map(Path, sys.argv[1:])
folder = source if source.is_dir() else source.parent
files = [path for path in source.rglob("*") if path.is_file()] if source.is_dir() else [source]
with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
    for path in sorted(files):
        archive.write(path, path.relative_to(folder))
