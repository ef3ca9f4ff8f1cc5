"""The C++ core of seizurekit."""

from . import cache as cache
from . import edf as edf
from . import ops as ops
from . import signal as signal
from . import support as support

__version__: str
