"""Run deepchecks as another program, and show its results as a page.

No other package knows about deepchecks. The program is `src/checks`, in its own environment.
"""
