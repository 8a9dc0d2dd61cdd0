"""The newest table becomes a pull request: fetched, checked, trained on, proposed.

Nothing here judges a model or moves a version: `review` judges, and main releases what is merged.
"""
