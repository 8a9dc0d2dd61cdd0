"""The comment on a pull request: ``python3 -m churn.comment``.

This is the one part of the project that runs with a token that may write, on what a stranger may
have written (.github/workflows/comment.yml). So it runs main's code, and none of the pull
request's; it imports the standard library and modules of `churn` that keep to it, so that nothing
is installed beside the token. The pull request's job hands over data (`artifact`). What the change
touches is asked of GitHub (`touched`, `limits`). From both the text is made (`body`) and posted
under a mark by which the next one finds it again (`sticky`).
"""
