-- Every statement the journal runs, by name. The insert of events is built in sqlite.py, for it has as many rows as come.

-- name: head
SELECT seq, hash FROM heads WHERE run = ?;

-- name: set_head
INSERT INTO heads (run, seq, hash) VALUES (?, ?, ?)
ON CONFLICT (run) DO UPDATE SET seq = excluded.seq, hash = excluded.hash;

-- name: add_run
INSERT INTO runs (run, scope, runbook, plan_id, started_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (run) DO NOTHING;

-- name: set_due
UPDATE runs SET due = ? WHERE run = ?;

-- name: set_standing
UPDATE runs SET due = ?, is_open = ? WHERE run = ?;

-- name: open_runs
SELECT run, scope, runbook, plan_id, started_at FROM runs WHERE is_open = 1 ORDER BY run DESC;

-- name: due_runs
SELECT run, scope, runbook, plan_id, started_at FROM runs WHERE due IS NOT NULL AND due <= ? ORDER BY due, run;

-- name: next_due
SELECT min(due) FROM runs WHERE due IS NOT NULL;

-- name: picked
SELECT seq, at, version, kind, address, data, hash FROM events
WHERE run = ? AND kind IN (SELECT value FROM json_each(?)) ORDER BY seq;

-- name: kinds_after
SELECT DISTINCT kind FROM events WHERE run = ? AND seq > ?;

-- name: hash_at
SELECT hash FROM events WHERE run = ? AND seq = ?;

-- name: page
SELECT seq, at, version, kind, address, data, hash FROM events
WHERE run = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?;

-- name: end
-- One statement, so one moment: the last event there is, and what the head says it is.
SELECT (SELECT max(seq) FROM events WHERE run = ?1), h.seq, h.hash
FROM (SELECT 1) LEFT JOIN heads h ON h.run = ?1;

-- name: runs
SELECT run, scope, runbook, plan_id, started_at FROM runs
ORDER BY julianday(started_at) DESC, run DESC;

-- name: runs_of_scope
SELECT run, scope, runbook, plan_id, started_at FROM runs WHERE scope = ?
ORDER BY julianday(started_at) DESC, run DESC;

-- name: run_of_plan
SELECT run FROM runs WHERE plan_id = ? ORDER BY julianday(started_at) LIMIT 1;

-- name: last_changes
-- SQLite takes the bare column from the row that has the maximum; offsets differ, so text cannot be compared.
SELECT e.address, e.at, max(julianday(e.at)) FROM runs r
JOIN events e ON e.run = r.run AND e.kind = 'item_changed'
WHERE r.scope = ? AND r.runbook = ? GROUP BY e.address;

-- name: lease
SELECT scope, run, host, pid, actor, since, process FROM leases WHERE scope = ?;

-- name: take_lease
INSERT INTO leases (scope, run, host, pid, actor, since, process) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (scope) DO UPDATE SET run = excluded.run, host = excluded.host, pid = excluded.pid,
    actor = excluded.actor, since = excluded.since, process = excluded.process;

-- name: drop_lease
DELETE FROM leases WHERE scope = ? AND run = ? AND host = ? AND pid = ?;
