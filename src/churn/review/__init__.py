"""A change against main: compared, judged and reported.

Baselines, exams, limits, gates and the report. Nothing here moves a version.
"""
