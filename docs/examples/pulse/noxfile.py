from buildspec.sessions import define  # not found? Install buildspec beside nox: `pipx inject nox FILE.whl`, or pip

define()
