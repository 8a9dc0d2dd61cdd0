"""Posting the report of a pull request: ``python3 -m churn.comment``.

This is the one part of the project that runs with a token that may write, on what a stranger may
have written (.github/workflows/comment.yml). So it runs no code of the pull request's, and imports
the standard library alone; of the package only `churn.errors` and `churn.github`, which do so too.
The report is checked (`artifact`), made inert (`body`, its signs in `line`, its charts in
`diagram`), and posted under a mark by which the next one finds it again (`sticky`). `github` does
the talking.
"""
