"""The equation language: parse, check dimensions, integrate."""
