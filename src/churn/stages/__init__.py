"""What `dvc repro` runs: one module a stage, named as its command.

Each reads files, calls pure functions and writes files. Nothing here knows of git, main or
Production, but for `track`.
"""
