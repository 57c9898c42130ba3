-- Where each partition is read on, moved in the transaction that stores what was read. Whoever
-- claims a partition raises its epoch, and with another epoch nobody can move it.
create table sink_offset (
    topic text not null,
    part int not null,
    next_offset bigint not null,
    owner_epoch bigint not null,
    owner text not null,
    primary key (topic, part)
);

-- A record, or one event of it, that cannot be stored. `value` can be written to `topic` as it is.
create table dead_letter (
    topic text not null,
    part int not null,
    "offset" bigint not null,
    -- Empty if the letter is a whole record.
    event_id text not null,
    tenant text not null,
    stage text not null,
    reason text not null,
    trace_id text not null,
    -- By name, as text.
    headers jsonb not null,
    value bytea,
    dead_at timestamptz not null default clock_timestamp(),
    primary key (topic, part, "offset", event_id)
);

-- A hop may copy a record, to another offset: the same event of the same request is dead once.
create unique index dead_letter_event on dead_letter (tenant, event_id, trace_id)
    where event_id <> '';
create index dead_letter_dead_at on dead_letter (dead_at);
