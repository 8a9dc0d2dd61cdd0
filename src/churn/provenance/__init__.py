"""What a candidate was made from: git, DVC's lock, digests, and the packed candidate.

Nothing here judges a model.
"""
