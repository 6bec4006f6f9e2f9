"""Tests of the sandbox, one file for each of its modules."""
