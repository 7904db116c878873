"""The rows of the table, in its order."""

from api_tests.faults import (
    clock_jump,
    disk_full,
    gateway_killed,
    message_lost,
    message_twice,
    out_of_memory,
    poison_unit,
    postgres_restarted,
    redis_emptied,
    redis_frozen,
    sweeper_killed,
    worker_child_killed,
    worker_parent_killed,
    worker_stopped,
)
from api_tests.faults.trial import Fault

FAULTS: dict[str, Fault] = {
    module.__name__.rpartition(".")[2]: module.FAULT
    for module in (
        worker_parent_killed,
        worker_child_killed,
        worker_stopped,
        redis_emptied,
        redis_frozen,
        postgres_restarted,
        gateway_killed,
        message_twice,
        message_lost,
        disk_full,
        clock_jump,
        out_of_memory,
        poison_unit,
        sweeper_killed,
    )
}
