"""Unit tests of checks, as far as deepchecks is not needed."""
