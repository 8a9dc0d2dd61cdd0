"""The model: features, pipeline, threshold, and how it is stored.

Serving imports this package, `data` and `core`, and nothing above.
"""
