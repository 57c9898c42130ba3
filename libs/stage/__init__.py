"""When things happen: the loop, retries, dead letters, rebalance, drain, health."""

from libs.stage.dead_letters import DeadLetters as DeadLetters
from libs.stage.failpoints import Failpoints as Failpoints
from libs.stage.forward import Transform as Transform, forward as forward
from libs.stage.health import Health as Health
from libs.stage.launch import launch as launch
from libs.stage.limit import DeadLetterLimit as DeadLetterLimit
from libs.stage.reading import (
    Replica as Replica,
    read_facts as read_facts,
    unread_origin as unread_origin,
)
from libs.stage.retry import until_available as until_available
from libs.stage.run import run as run, stop_on_signal as stop_on_signal
from libs.stage.settings import (
    DeadLetterSettings as DeadLetterSettings,
    HealthSettings as HealthSettings,
    StageSettings as StageSettings,
)
