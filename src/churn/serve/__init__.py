"""The deployed model at work: answer requests as fast as the model allows, with its very bits.

What is served comes from the registry, verified; nothing here decides which version that is.
"""
