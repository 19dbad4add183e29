"""Load tests: objectives, measured requests, verdicts and reports, for loadtests/*.py and for the story.

Locust runs in a process of its own, because gevent replaces half of the standard library; only `users` and `shapes`
import it. What conducts a test, judges it and draws it is here and in the test's own file.
"""
