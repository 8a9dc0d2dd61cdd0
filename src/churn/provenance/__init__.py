"""What a candidate was made from: git, DVC's lock, digests, and the candidate as a folder.

Nothing here knows whether a model is good.
"""
