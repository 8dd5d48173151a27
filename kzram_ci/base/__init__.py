"""Layer 0: errors, time, processes and the file system; imports nothing of the house."""
