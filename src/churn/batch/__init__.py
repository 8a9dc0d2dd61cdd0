"""Predict for tables of any size: streamed through all cores, in parts that a kill leaves whole.

Nothing here answers requests, and nothing of this package is imported by what judges a model.
"""
