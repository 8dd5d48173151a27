"""A patch series on trial: does the crash come without it and stay away with it, and how sure is that.

`decide` is pure: from what the boots showed to the next boot, or the answer with its chance of being wrong. What was
asked, what happened and what it comes to are pure values too. The session builds and boots as `kzram-ci run` does, and
keeps every boot on disk; reports tell. May import run and all below it; bisect stands beside it. To add a question to
ask of a series, extend `findings`; to add a form of the answer, extend `reports`.
"""
