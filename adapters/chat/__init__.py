"""What chat platforms have in common: sentences in several languages, and news at a pace that people can bear."""
