"""A bisection in sentences, as `git bisect log`, JUnit and HTML. Only `files` writes."""
