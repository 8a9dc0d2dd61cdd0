"""Set the project up for a table: read it, say what was understood, and choose parameters for it.

Everything is decided before anything is changed. Nothing here moves a version in the registry.
"""
