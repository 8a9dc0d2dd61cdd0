"""The comment on a pull request: ``python3 -m churn.comment``.

The only part of the project that runs with a write token on untrusted input
(.github/workflows/comment.yml). So it runs code of main, never of the pull request, and imports
only the standard library and modules of `churn` that do the same: no package is installed next to
the token. The job of the pull request hands over data (`artifact`); GitHub's API says what the
change touches (`touched`). `body` writes the text from both. The comment ends with a marker by
which the next run finds and updates it (`sticky`).
"""
