"""Run deepchecks in its own environment (docs/adr/0001): files in, one JSON file out.

This package and `churn` do not import each other; they only share file formats.
"""
