"""The service, as WSGI."""

from bottle import Bottle, HTTPError, request

LONGEST = 1000
"""Characters of a note."""
MOST = 1000
"""Notes that are kept; the oldest one goes first."""


def service() -> Bottle:
    """A service that has no notes yet."""
    app = Bottle()
    notes: list[str] = []

    @app.get("/notes")
    def everything() -> dict[str, list[str]]:
        return {"notes": notes}

    @app.post("/notes")
    def add() -> dict[str, int]:
        text = request.body.read(4 * LONGEST + 1).decode(errors="replace").strip()
        if not 0 < len(text) <= LONGEST:
            raise HTTPError(400, f"a note has 1 to {LONGEST} characters")
        notes.append(text)
        del notes[:-MOST]
        return {"count": len(notes)}

    return app
