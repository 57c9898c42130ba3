"""aiokafka behind two typed protocols, and the in-memory twin that tests use."""

from libs.kafka.consuming import consumer as consumer
from libs.kafka.probing import probing as probing
from libs.kafka.producing import late_producer as late_producer, producer as producer
from libs.kafka.records import (
    Ack as Ack,
    Consumer as Consumer,
    Gap as Gap,
    Headers as Headers,
    Outgoing as Outgoing,
    Partition as Partition,
    Positions as Positions,
    Producer as Producer,
    Progress as Progress,
    Reading as Reading,
    Record as Record,
    Unreadable as Unreadable,
    next_offsets as next_offsets,
)
from libs.kafka.settings import KafkaSettings as KafkaSettings
