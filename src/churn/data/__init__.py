"""The customer table: how it is read, checked, split and described.

What a cell means is said here and nowhere else.
"""
