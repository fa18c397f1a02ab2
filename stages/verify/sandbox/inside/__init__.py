"""What runs inside the sandbox: two processes. One runs the code and answers requests, the other runs the tests.

The process of the tests starts first and forks the process of the code before it has read anything. Between them goes
plain data only, so no object of the code's (always equal, with a frame to walk, with patched methods) ever stands where
a test compares. The channel of the verdict is closed in the code's process, and there is no /proc to find it again.

`bubblewrap.py` sends these modules compiled, in the order of `MODULES`; they import each other and the standard
library, as little of it as they can: half of what a run costs is imports.
"""

MODULES = ("values", "code", "examiner", "main")
