"""A stand-in for what isn't known of a wrong specification, so that the rest can be held against the rules."""

from __future__ import annotations

from typing import Any, Final, NoReturn


class UnknownError(Exception):
    """Something asked for a part of the specification that is wrong or missing, and was reported already."""


class _Unknown:
    """Stands where a value is wrong or missing; whoever looks at it gets an UnknownError instead of an answer.

    Only `is`, and Python's own `repr`, can be asked of it. A finding that hangs on such a value would be a
    guess, so it must not come about: see `checks.rules.known`.
    """

    __slots__ = ()

    def _ask(self, *_: object) -> NoReturn:
        raise UnknownError

    def __repr__(self) -> str:
        return "UNKNOWN"

    __class__: Any = property(_ask)
    __getattr__ = __str__ = __format__ = __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = _ask
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _ask
    __call__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __rmod__ = _ask
    __or__ = __ror__ = __and__ = __rand__ = __int__ = __float__ = __index__ = __fspath__ = _ask


UNKNOWN: Final[Any] = _Unknown()
