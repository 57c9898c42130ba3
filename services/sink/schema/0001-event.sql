create table event (
    tenant text not null,
    event_id uuid not null,
    name text not null,
    value float8 not null,
    unit text,
    timestamp timestamptz not null,
    attributes jsonb not null,
    owner text,
    team text,
    region text,
    -- The request that brought the event, and its trace.
    trace_id text not null,
    received_at timestamptz not null,
    -- Taken just before the commit that made the event visible.
    stored_at timestamptz not null,
    primary key (tenant, event_id)
);

create index event_name_timestamp on event (name, timestamp desc);
