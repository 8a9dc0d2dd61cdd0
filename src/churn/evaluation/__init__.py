"""Metrics, curves, slices, and the comparison of two models.

Pure functions of arrays and tables; only `pictures` writes files.
"""
