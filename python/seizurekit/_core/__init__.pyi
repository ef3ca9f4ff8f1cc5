from . import cache as cache
from . import edf as edf
from . import signal as signal
from . import support as support

__version__: str
