"""The model: features, pipeline, threshold, and how it is stored.

What is served imports nothing above this package and `data`.
"""
