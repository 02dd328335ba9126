-- From version 1 of the tables to version 2: when a waiting run is due, and which runs may still have something to wait for.
ALTER TABLE runs ADD COLUMN due REAL;
ALTER TABLE runs ADD COLUMN is_open INTEGER NOT NULL DEFAULT 1;
CREATE INDEX IF NOT EXISTS runs_due ON runs (due) WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS runs_open ON runs (run) WHERE is_open = 1;
PRAGMA user_version = 2;
