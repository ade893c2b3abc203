"""Side-by-side runs against peers; every figure is a ratio measured in one run."""
