"""Review a change: compare it with main, judge it, and write the report.

Baselines, exams, limits, gates and the report. Nothing here moves a version in the registry.
"""
