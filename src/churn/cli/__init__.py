"""The command line: arguments, output and exit codes.

Each command parses its arguments, calls one function of another package, and prints the result. No
decision is made here.
"""
