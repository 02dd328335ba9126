-- The journal's tables. `user_version` counts changes of this file; `application_id` is "swjo".
PRAGMA application_id = 0x73776A6F;
PRAGMA user_version = 2;

-- One row per event. Rows are added and never altered; `hash` chains each to the one before it in its run (see chain.py).
CREATE TABLE events (
    run     TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    at      TEXT    NOT NULL,   -- ISO 8601 with offset
    version INTEGER NOT NULL,   -- of the event's form
    kind    TEXT    NOT NULL,
    address TEXT    NOT NULL,   -- of an item or a block; empty for the run
    data    TEXT    NOT NULL,   -- JSON
    hash    TEXT    NOT NULL,   -- SHA-256, hex
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

-- Answers "when was this last changed" without reading a run: covers the query, holds changed items only.
CREATE INDEX changes ON events (run, address, at) WHERE kind = 'item_changed';

-- Where each run's chain ends, written in the transaction of its last event: tells a chain whose tail was cut off.
CREATE TABLE heads (
    run  TEXT    PRIMARY KEY,
    seq  INTEGER NOT NULL,
    hash TEXT    NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (
    run        TEXT PRIMARY KEY,
    scope      TEXT NOT NULL,
    runbook    TEXT NOT NULL,   -- by name
    plan_id    TEXT NOT NULL,
    started_at TEXT NOT NULL,   -- ISO 8601 with offset
    due        REAL,            -- seconds since 1970: when the waiting run has something to do next; NULL: nothing by itself
    is_open    INTEGER NOT NULL DEFAULT 1   -- 0 once it succeeded
) WITHOUT ROWID;

CREATE INDEX runs_due ON runs (due) WHERE due IS NOT NULL;
CREATE INDEX runs_open ON runs (run) WHERE is_open = 1;
CREATE INDEX runs_of_scope ON runs (scope, runbook);
CREATE INDEX runs_of_plan ON runs (plan_id);

CREATE TABLE leases (
    scope   TEXT    PRIMARY KEY,
    run     TEXT    NOT NULL,
    host    TEXT    NOT NULL,
    pid     INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    since   TEXT    NOT NULL,   -- ISO 8601 with offset
    process TEXT    NOT NULL    -- the machine's boot and the process's start, so that a reused pid is not taken for it
) WITHOUT ROWID;
