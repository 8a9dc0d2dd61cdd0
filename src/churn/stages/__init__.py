"""The stages of `dvc repro`: one module per stage, named like its command.

Each reads files, calls pure functions and writes files. None depends on git, main or Production,
except `track`, which needs git.
"""
