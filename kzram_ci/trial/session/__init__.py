"""One trial: what is asked of it, its kernels and boots, and the files that a killed one resumes from."""
