import os

# Before torch comes: threads that spin while they wait make a shared CPU many times as slow.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")
