"""Compilation targets: one folder each; none imports another."""
