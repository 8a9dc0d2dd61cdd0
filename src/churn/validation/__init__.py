"""deepchecks: called as another program, and shown as a page.

The only package that knows of it; the program itself is `src/checks`, in an environment of its
own.
"""
