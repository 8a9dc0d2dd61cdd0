"""The customer table: made up, read, checked, split and described."""
