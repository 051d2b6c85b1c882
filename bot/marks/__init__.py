"""How anyone can tell that a machine painted an image. Nothing here knows torch: worker and server both use it."""
