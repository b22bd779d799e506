"""Networks trained apart: their units matched, the networks merged into one.

>>> found = onebasin.match([net_a.state_dict(), net_b.state_dict()])
>>> net.load_state_dict(found.merge())

The matchings are those of the command `onebasin`; nothing here trains or measures.
"""

from __future__ import annotations

from ._match import Match, match
from ._onebasin import __version__
from ._transport import emd, linear_sum_assignment

__all__ = ["Match", "__version__", "emd", "linear_sum_assignment", "match"]
