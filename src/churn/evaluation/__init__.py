"""Measuring and comparing: metrics, curves, slices, intervals.

Pure functions of arrays and tables; no file is read or written, but for pictures.
"""
