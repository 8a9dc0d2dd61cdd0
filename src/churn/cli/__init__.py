"""The commands: what is given on the command line, and what is printed.

Each parses, calls one function of another package, prints, and ends with an exit code. No
decision is made here.
"""
