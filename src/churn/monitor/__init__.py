"""Watch the deployed model: compare what it saw and said with what it was trained on.

Reads the prediction log and the registry, and writes reports; nothing here moves a version or
changes an answer.
"""
