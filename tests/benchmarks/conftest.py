import os

# Before torch comes: threads that spin while they wait would stop the workers that tests start.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")
