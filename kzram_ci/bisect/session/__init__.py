"""One bisection: its history, its boots and builds, and the file that a killed one resumes from."""
