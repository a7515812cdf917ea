BEGIN TRANSACTION;

-- Table  dependencies
DROP TABLE IF EXISTS dependencies;
CREATE TABLE dependencies (
          depends_on TEXT NOT NULL,
          task_id TEXT NOT NULL,
          PRIMARY KEY (depends_on, task_id)
        ) STRICT, WITHOUT ROWID;

-- Table  events
DROP TABLE IF EXISTS events;
CREATE TABLE events (
          seq INTEGER PRIMARY KEY,
          task_id TEXT NOT NULL,
          at TEXT NOT NULL,
          actor TEXT NOT NULL,
          action TEXT NOT NULL,
          from_state TEXT CHECK (from_state IN ('pending', 'in_progress', 'review', 'completed', 'failed')),
          to_state TEXT CHECK (to_state IN ('pending', 'in_progress', 'review', 'completed', 'failed')),
          attempts INTEGER NOT NULL,
          note TEXT,
          changes TEXT NOT NULL DEFAULT '{}'
            CONSTRAINT "changes is a JSON object" CHECK (json_valid(changes) AND json_type(changes) = 'object'),
          "group" TEXT,
          undoes INTEGER,
          hash TEXT,
          operation TEXT
        ) STRICT;
INSERT INTO events VALUES(1,'t-1','2026-01-01T00:00:01.000000Z','ann','add',NULL,'pending',0,NULL,'{"title":[null,"Rotate the key"],"priority":[null,5],"tags":[null,["ops"]],"max_attempts":[null,3],"attempts":[null,0]}',NULL,NULL,'aaf05f4a706c17dfd187fdb46c4273f89b938b73b3532d97f972818031e1b457','op-0');
INSERT INTO events VALUES(2,'t-1','2026-01-01T00:00:02.000000Z','ann','start','pending','in_progress',0,NULL,'{"owner":[null,"ann"]}',NULL,NULL,'51c7443caa22c73895d2eeba33a978b8c79a6db06a1261ebc91e18f40101f160','op-1');
INSERT INTO events VALUES(3,'t-1','2026-01-01T00:00:03.000000Z','ann','submit','in_progress','review',0,NULL,'{"result":[null,{"answer":42}]}',NULL,NULL,'c54b0987f06bccca71cfeed991128e5c1e54605ee9a94b306d275e5a8a12fa88','op-2');
INSERT INTO events VALUES(4,'t-2','2026-01-01T00:00:04.000000Z','ann','add',NULL,'pending',0,NULL,'{"title":[null,"Grüße"],"priority":[null,5],"data":[null,{"x":1.5}],"max_attempts":[null,3],"attempts":[null,0]}',NULL,NULL,'4753d2a38ce3769fa748631cc624b9c5377d0450858b4043999482424ee5106d','op-3');
INSERT INTO events VALUES(5,'t-3','2026-11-24T04:51:10.191000Z','external','add',NULL,'pending',0,NULL,'{"title":[null,"from outside"],"priority":[null,5],"attempts":[null,0],"max_attempts":[null,3]}',NULL,NULL,'e76f1cf747dc6d54388908c3fa56c25a28ef27f8804da8b79dcff2ec2f3e87d7',NULL);
-- Triggers and indices on  events
CREATE UNIQUE INDEX events_by_operation ON events (operation) WHERE operation IS NOT NULL;
CREATE INDEX events_by_task ON events (task_id, seq);
CREATE TRIGGER events_delete_refused BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'the audit log only grows: an event is never changed or deleted'); END;
CREATE TRIGGER events_insert_refused BEFORE INSERT ON events
        WHEN NEW.seq > 0 OR EXISTS (SELECT 1 FROM events WHERE operation = NEW.operation)
          OR NEW.hash IS NULL AND (NEW.at NOT GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' OR length(CAST(NEW.at AS BLOB)) <> 27
    OR strftime('%Y-%m-%dT%H:%M:%S', substr(NEW.at, 1, 19), '+0 days') IS NOT substr(NEW.at, 1, 19)) BEGIN
          SELECT CASE WHEN NEW.hash IS NULL AND (NEW.at NOT GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' OR length(CAST(NEW.at AS BLOB)) <> 27
    OR strftime('%Y-%m-%dT%H:%M:%S', substr(NEW.at, 1, 19), '+0 days') IS NOT substr(NEW.at, 1, 19))
            THEN RAISE(ABORT, 'at is a moment in UTC, like 2026-01-31T09:00:00.000000Z')
            ELSE RAISE(ABORT, 'an event gets its seq from the database, and its operation must be new') END;
        END;
CREATE TRIGGER events_seq_refused AFTER INSERT ON events WHEN NEW.seq < 1 BEGIN
          SELECT RAISE(ABORT, 'an event gets its seq from the database');
        END;
CREATE INDEX events_unsealed ON events (seq) WHERE hash IS NULL;
CREATE TRIGGER events_update_refused BEFORE UPDATE ON events
        WHEN NOT (OLD.hash IS NULL AND NEW.hash IS NOT NULL AND NEW."seq" IS OLD."seq" AND NEW."task_id" IS OLD."task_id" AND NEW."at" IS OLD."at" AND NEW."actor" IS OLD."actor" AND NEW."action" IS OLD."action" AND NEW."from_state" IS OLD."from_state" AND NEW."to_state" IS OLD."to_state" AND NEW."attempts" IS OLD."attempts" AND NEW."note" IS OLD."note" AND NEW."changes" IS OLD."changes" AND NEW."group" IS OLD."group" AND NEW."undoes" IS OLD."undoes" AND NEW."operation" IS OLD."operation") BEGIN SELECT RAISE(ABORT, 'the audit log only grows: an event is never changed or deleted'); END;

-- Table  identity
DROP TABLE IF EXISTS identity;
CREATE TABLE identity (store TEXT NOT NULL) STRICT;
INSERT INTO identity VALUES('fed333e3042bcb19cbbce7cb5adab8fa');

-- Table  tasks
DROP TABLE IF EXISTS tasks;
CREATE TABLE tasks (
          id TEXT NOT NULL PRIMARY KEY,
          title TEXT NOT NULL,
          state TEXT NOT NULL DEFAULT 'pending',
          priority INTEGER NOT NULL DEFAULT 5,
          attempts INTEGER NOT NULL DEFAULT 0,
          max_attempts INTEGER NOT NULL DEFAULT 3,
          owner TEXT,
          lease_until TEXT,
          created_at TEXT,
          updated_at TEXT,
          state_since TEXT,
          version TEXT,
          tags TEXT NOT NULL DEFAULT '[]',
          error TEXT,
          description TEXT NOT NULL DEFAULT '',
          data TEXT,
          result TEXT, not_before TEXT
          CONSTRAINT "not_before is a moment in UTC, like 2026-01-31T09:00:00.000000Z"
            CHECK (not_before IS NULL OR not_before >= '0001' AND NOT (not_before NOT GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' OR length(CAST(not_before AS BLOB)) <> 27
    OR strftime('%Y-%m-%dT%H:%M:%S', substr(not_before, 1, 19), '+0 days') IS NOT substr(not_before, 1, 19))), depends_on TEXT NOT NULL DEFAULT '[]'
          CONSTRAINT "depends_on is a JSON array" CHECK (json_valid(depends_on) AND json_type(depends_on) = 'array'), blocked INTEGER NOT NULL DEFAULT 0,
          CONSTRAINT "an id takes 1 to 200 letters, digits and . _ ~ -"
            CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 200 AND id NOT GLOB '*[^A-Za-z0-9._~-]*'
              AND instr(id, char(0)) = 0),
          CONSTRAINT "a title has 1 to 2000 characters that are not all blank"
            CHECK (length(title) <= 2000 AND trim(title, char(9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 133, 160, 5760, 8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199, 8200, 8201, 8202, 8232, 8233, 8239, 8287, 12288)) <> ''
              AND instr(title, char(0)) = 0),
          CONSTRAINT "state is one of the five" CHECK (state IN ('pending', 'in_progress', 'review', 'completed', 'failed')),
          CONSTRAINT "priority lies between -1000000000 and 1000000000" CHECK (priority BETWEEN -1000000000 AND 1000000000),
          CONSTRAINT "attempts lies between 0 and 1000000000" CHECK (attempts BETWEEN 0 AND 1000000000),
          CONSTRAINT "max_attempts lies between 0 and 1000000000" CHECK (max_attempts BETWEEN 0 AND 1000000000),
          CONSTRAINT "tags is a JSON array" CHECK (json_valid(tags) AND json_type(tags) = 'array'),
          CONSTRAINT "data is JSON" CHECK (data IS NULL OR json_valid(data)),
          CONSTRAINT "result is JSON" CHECK (result IS NULL OR json_valid(result))
        ) STRICT, WITHOUT ROWID;
INSERT INTO tasks VALUES('t-1','Rotate the key','review',5,0,3,'ann',NULL,'2026-01-01T00:00:01.000000Z','2026-01-01T00:00:03.000000Z','2026-01-01T00:00:03.000000Z','3','["ops"]',NULL,'',NULL,'{"answer":42}',NULL,'[]',0);
INSERT INTO tasks VALUES('t-2','Grüße','pending',5,0,3,NULL,NULL,'2026-01-01T00:00:04.000000Z','2026-01-01T00:00:04.000000Z','2026-01-01T00:00:04.000000Z','4','[]',NULL,'','{"x":1.5}',NULL,NULL,'[]',0);
INSERT INTO tasks VALUES('t-3','from outside','pending',5,0,3,NULL,NULL,'2026-11-24T04:51:10.191000Z','2026-11-24T04:51:10.191000Z','2026-11-24T04:51:10.191000Z','5','[]',NULL,'',NULL,NULL,NULL,'[]',0);
-- Triggers and indices on  tasks
CREATE TRIGGER tasks_blocked_refused BEFORE UPDATE OF blocked ON tasks
        WHEN NEW.blocked IS NOT (SELECT count(DISTINCT value) FROM json_each(NEW.depends_on) WHERE coalesce(
            (SELECT state FROM tasks WHERE id = value),
            (SELECT from_state FROM events WHERE task_id = value ORDER BY seq DESC LIMIT 1), '')
          <> 'completed') BEGIN
          SELECT RAISE(ABORT, 'blocked is counted by the database; change depends_on instead');
        END;
CREATE INDEX tasks_by_due ON tasks (not_before) WHERE state = 'pending' AND not_before IS NOT NULL;
CREATE INDEX tasks_by_priority ON tasks (state, priority, state_since, id, not_before);
CREATE INDEX tasks_by_time ON tasks (state, state_since, id);
CREATE TRIGGER tasks_completed_frees AFTER UPDATE OF state ON tasks
        WHEN NEW.state <> OLD.state AND 'completed' IN (OLD.state, NEW.state)
          AND EXISTS (SELECT 1 FROM dependencies WHERE depends_on = NEW.id) BEGIN
          UPDATE tasks SET blocked = (SELECT count(DISTINCT value) FROM json_each(tasks.depends_on) WHERE coalesce(
            (SELECT state FROM tasks WHERE id = value),
            (SELECT from_state FROM events WHERE task_id = value ORDER BY seq DESC LIMIT 1), '')
          <> 'completed') WHERE id IN (SELECT task_id FROM dependencies WHERE depends_on = NEW.id);
        END;
CREATE TRIGGER tasks_deep_refused BEFORE UPDATE OF tags, data, result, depends_on ON tasks WHEN (json_valid(NEW.tags) AND NOT json_valid('[[' || NEW.tags || ']]')) OR (json_valid(NEW.data) AND NOT json_valid('[[' || NEW.data || ']]')) OR (json_valid(NEW.result) AND NOT json_valid('[[' || NEW.result || ']]')) OR (json_valid(NEW.depends_on) AND NOT json_valid('[[' || NEW.depends_on || ']]')) BEGIN
          SELECT RAISE(ABORT, 'its JSON lies too deep in itself to be put on record');
        END;
CREATE TRIGGER tasks_deleted_outside AFTER DELETE ON tasks BEGIN
          INSERT INTO events (task_id, at, actor, action, from_state, to_state, attempts, changes)
            SELECT OLD.id, max(strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'), coalesce((SELECT at FROM events WHERE seq = (SELECT max(seq) FROM events) AND at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'), '')), 'external', 'removed',
              OLD.state, NULL, OLD.attempts, (SELECT json_group_object(field, json_array(json(before), json(after))) FROM (SELECT 'title' AS field, json_quote(CASE WHEN OLD.title <> '' THEN OLD.title END) AS before, json_quote(NULL) AS after WHERE (CASE WHEN OLD.title <> '' THEN OLD.title END) IS NOT (NULL) UNION ALL SELECT 'description' AS field, json_quote(CASE WHEN OLD.description <> '' THEN OLD.description END) AS before, json_quote(NULL) AS after WHERE (CASE WHEN OLD.description <> '' THEN OLD.description END) IS NOT (NULL) UNION ALL SELECT 'error' AS field, json_quote(CASE WHEN OLD.error <> '' THEN OLD.error END) AS before, json_quote(NULL) AS after WHERE (CASE WHEN OLD.error <> '' THEN OLD.error END) IS NOT (NULL) UNION ALL SELECT 'not_before' AS field, json_quote(CASE WHEN OLD.not_before <> '' THEN OLD.not_before END) AS before, json_quote(NULL) AS after WHERE (CASE WHEN OLD.not_before <> '' THEN OLD.not_before END) IS NOT (NULL) UNION ALL SELECT 'owner' AS field, json_quote(CASE WHEN OLD.owner <> '' THEN OLD.owner END) AS before, json_quote(NULL) AS after WHERE (CASE WHEN OLD.owner <> '' THEN OLD.owner END) IS NOT (NULL) UNION ALL SELECT 'lease_until' AS field, json_quote(CASE WHEN OLD.lease_until <> '' THEN OLD.lease_until END) AS before, json_quote(NULL) AS after WHERE (CASE WHEN OLD.lease_until <> '' THEN OLD.lease_until END) IS NOT (NULL) UNION ALL SELECT 'priority' AS field, json_quote(CASE WHEN OLD.priority <> '' THEN OLD.priority END) AS before, json_quote(NULL) AS after WHERE (CASE WHEN OLD.priority <> '' THEN OLD.priority END) IS NOT (NULL) UNION ALL SELECT 'attempts' AS field, json_quote(CASE WHEN OLD.attempts <> '' THEN OLD.attempts END) AS before, json_quote(NULL) AS after WHERE (CASE WHEN OLD.attempts <> '' THEN OLD.attempts END) IS NOT (NULL) UNION ALL SELECT 'max_attempts' AS field, json_quote(CASE WHEN OLD.max_attempts <> '' THEN OLD.max_attempts END) AS before, json_quote(NULL) AS after WHERE (CASE WHEN OLD.max_attempts <> '' THEN OLD.max_attempts END) IS NOT (NULL) UNION ALL SELECT 'tags' AS field, coalesce(json(CASE WHEN OLD.tags <> '[]' THEN OLD.tags END), 'null') AS before, coalesce(json(NULL), 'null') AS after WHERE (CASE WHEN OLD.tags <> '[]' THEN OLD.tags END) IS NOT (NULL) AND coalesce(json(CASE WHEN OLD.tags <> '[]' THEN OLD.tags END), 'null') IS NOT coalesce(json(NULL), 'null') UNION ALL SELECT 'data' AS field, coalesce(json(CASE WHEN OLD.data <> '' THEN OLD.data END), 'null') AS before, coalesce(json(NULL), 'null') AS after WHERE (CASE WHEN OLD.data <> '' THEN OLD.data END) IS NOT (NULL) AND coalesce(json(CASE WHEN OLD.data <> '' THEN OLD.data END), 'null') IS NOT coalesce(json(NULL), 'null') UNION ALL SELECT 'result' AS field, coalesce(json(CASE WHEN OLD.result <> '' THEN OLD.result END), 'null') AS before, coalesce(json(NULL), 'null') AS after WHERE (CASE WHEN OLD.result <> '' THEN OLD.result END) IS NOT (NULL) AND coalesce(json(CASE WHEN OLD.result <> '' THEN OLD.result END), 'null') IS NOT coalesce(json(NULL), 'null') UNION ALL SELECT 'depends_on' AS field, coalesce(json(CASE WHEN OLD.depends_on <> '[]' THEN OLD.depends_on END), 'null') AS before, coalesce(json(NULL), 'null') AS after WHERE (CASE WHEN OLD.depends_on <> '[]' THEN OLD.depends_on END) IS NOT (NULL) AND coalesce(json(CASE WHEN OLD.depends_on <> '[]' THEN OLD.depends_on END), 'null') IS NOT coalesce(json(NULL), 'null')));
          SELECT RAISE(ABORT, 'this cannot be put on record as it is, and what is on no record is not done') WHERE NOT EXISTS (SELECT 1 FROM events WHERE seq = (SELECT max(seq) FROM events)
            AND task_id = OLD.id AND to_state IS NULL);
        END;
CREATE TRIGGER tasks_dependent_deleted AFTER DELETE ON tasks WHEN OLD.depends_on <> '[]' BEGIN
          DELETE FROM dependencies
            WHERE task_id = OLD.id AND depends_on IN (SELECT value FROM json_each(OLD.depends_on));
        END;
CREATE TRIGGER tasks_dependent_inserted AFTER INSERT ON tasks
        WHEN NEW.depends_on <> '[]' OR NEW.blocked <> 0
          OR EXISTS (SELECT 1 FROM dependencies WHERE depends_on = NEW.id) BEGIN
          INSERT INTO dependencies SELECT DISTINCT value, NEW.id FROM (SELECT value FROM json_each(NEW.depends_on)) WHERE NOT EXISTS
            (SELECT 1 FROM dependencies WHERE depends_on = value AND task_id = NEW.id);
          UPDATE tasks SET blocked = (SELECT count(DISTINCT value) FROM json_each(tasks.depends_on) WHERE coalesce(
            (SELECT state FROM tasks WHERE id = value),
            (SELECT from_state FROM events WHERE task_id = value ORDER BY seq DESC LIMIT 1), '')
          <> 'completed') WHERE id = NEW.id OR id IN (SELECT task_id FROM dependencies WHERE depends_on = NEW.id);
        END;
CREATE TRIGGER tasks_dependent_refused BEFORE INSERT ON tasks
        WHEN NEW.depends_on <> '[]' AND json_valid(NEW.depends_on) BEGIN SELECT CASE
            WHEN EXISTS (SELECT 1 FROM json_each(NEW.depends_on) WHERE type <> 'text' OR value = ''
            OR value GLOB '*[^A-Za-z0-9._~-]*') THEN RAISE(ABORT, 'depends_on is an array of task ids')
            WHEN EXISTS (SELECT value FROM json_each(NEW.depends_on) WHERE value <> NEW.id AND NOT EXISTS (SELECT 1 FROM tasks WHERE id = value)) THEN RAISE(ABORT, 'a task depends on tasks that are there; add those first')
            WHEN NEW.id IN (SELECT value FROM json_each(NEW.depends_on)) OR EXISTS (SELECT 1 FROM dependencies WHERE depends_on = NEW.id) AND NEW.id IN (WITH RECURSIVE ahead (id) AS (SELECT value FROM json_each(NEW.depends_on) UNION
            SELECT value FROM ahead JOIN tasks USING (id), json_each(depends_on)) SELECT id FROM ahead) THEN RAISE(ABORT, 'it would wait for itself: what it depends on depends on it') END; END;
CREATE TRIGGER tasks_depends_refused BEFORE UPDATE OF depends_on ON tasks
        WHEN NEW.depends_on IS NOT OLD.depends_on AND json_valid(NEW.depends_on) BEGIN SELECT CASE
            WHEN EXISTS (SELECT 1 FROM json_each(NEW.depends_on) WHERE type <> 'text' OR value = ''
            OR value GLOB '*[^A-Za-z0-9._~-]*') THEN RAISE(ABORT, 'depends_on is an array of task ids')
            WHEN EXISTS (SELECT value FROM json_each(NEW.depends_on) WHERE value <> NEW.id AND NOT EXISTS (SELECT 1 FROM tasks WHERE id = value) AND value NOT IN (SELECT value FROM json_each(OLD.depends_on))) THEN RAISE(ABORT, 'a task depends on tasks that are there; add those first')
            WHEN NEW.id IN (SELECT value FROM json_each(NEW.depends_on)) OR EXISTS (SELECT 1 FROM dependencies WHERE depends_on = NEW.id) AND NEW.id IN (WITH RECURSIVE ahead (id) AS (SELECT value FROM json_each(NEW.depends_on) UNION
            SELECT value FROM ahead JOIN tasks USING (id), json_each(depends_on)) SELECT id FROM ahead) THEN RAISE(ABORT, 'it would wait for itself: what it depends on depends on it') END; END;
CREATE TRIGGER tasks_depends_updated AFTER UPDATE OF depends_on ON tasks
        WHEN NEW.depends_on IS NOT OLD.depends_on BEGIN
          DELETE FROM dependencies
            WHERE task_id = OLD.id AND depends_on IN (SELECT value FROM json_each(OLD.depends_on));
          INSERT INTO dependencies SELECT DISTINCT value, NEW.id FROM (SELECT value FROM json_each(NEW.depends_on)) WHERE NOT EXISTS
            (SELECT 1 FROM dependencies WHERE depends_on = value AND task_id = NEW.id);
          UPDATE tasks SET blocked = (SELECT count(DISTINCT value) FROM json_each(tasks.depends_on) WHERE coalesce(
            (SELECT state FROM tasks WHERE id = value),
            (SELECT from_state FROM events WHERE task_id = value ORDER BY seq DESC LIMIT 1), '')
          <> 'completed') WHERE id = NEW.id;
        END;
CREATE TRIGGER tasks_insert_refused BEFORE INSERT ON tasks
        WHEN NEW.state <> 'pending' AND NOT EXISTS (SELECT 1 FROM tasks WHERE id = NEW.id)
          OR NEW.version <> '' AND (EXISTS (SELECT 1 FROM tasks WHERE id = NEW.id) OR NOT EXISTS (SELECT 1 FROM events WHERE seq = (SELECT max(seq) FROM events) AND CAST(seq AS TEXT) = NEW.version
    AND task_id = NEW.id AND to_state = NEW.state)) OR (json_valid(NEW.tags) AND NOT json_valid('[[' || NEW.tags || ']]')) OR (json_valid(NEW.data) AND NOT json_valid('[[' || NEW.data || ']]')) OR (json_valid(NEW.result) AND NOT json_valid('[[' || NEW.result || ']]')) OR (json_valid(NEW.depends_on) AND NOT json_valid('[[' || NEW.depends_on || ']]')) BEGIN
          SELECT CASE
            WHEN (json_valid(NEW.tags) AND NOT json_valid('[[' || NEW.tags || ']]')) OR (json_valid(NEW.data) AND NOT json_valid('[[' || NEW.data || ']]')) OR (json_valid(NEW.result) AND NOT json_valid('[[' || NEW.result || ']]')) OR (json_valid(NEW.depends_on) AND NOT json_valid('[[' || NEW.depends_on || ']]')) THEN RAISE(ABORT, 'its JSON lies too deep in itself to be put on record')
            WHEN NEW.state NOT IN ('pending', 'in_progress', 'review', 'completed', 'failed') THEN RAISE(ABORT, 'there is no such state; the states are pending, in_progress, review, completed, failed')
            WHEN NEW.version <> '' THEN RAISE(ABORT, 'leave version out: the database gives a task its version')
            ELSE RAISE(ABORT, 'a task begins in pending; add it there, then move it') END;
        END;
CREATE TRIGGER tasks_inserted_outside AFTER INSERT ON tasks WHEN NOT EXISTS (SELECT 1 FROM events WHERE seq = (SELECT max(seq) FROM events) AND CAST(seq AS TEXT) = NEW.version
    AND task_id = NEW.id AND to_state = NEW.state) BEGIN
          SELECT RAISE(ABORT, 'this task exists, and REPLACE would erase it unrecorded; use UPDATE, or ON CONFLICT (id) DO UPDATE') WHERE (SELECT to_state FROM events WHERE task_id = NEW.id ORDER BY seq DESC LIMIT 1) IS NOT NULL;
          INSERT INTO events (task_id, at, actor, action, from_state, to_state, attempts, changes)
            SELECT NEW.id, max(strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'), coalesce((SELECT at FROM events WHERE seq = (SELECT max(seq) FROM events) AND at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'), '')), 'external', 'add',
              NULL, NEW.state, NEW.attempts, (SELECT json_group_object(field, json_array(json(before), json(after))) FROM (SELECT 'title' AS field, json_quote(NULL) AS before, json_quote(CASE WHEN NEW.title <> '' THEN NEW.title END) AS after WHERE (NULL) IS NOT (CASE WHEN NEW.title <> '' THEN NEW.title END) UNION ALL SELECT 'description' AS field, json_quote(NULL) AS before, json_quote(CASE WHEN NEW.description <> '' THEN NEW.description END) AS after WHERE (NULL) IS NOT (CASE WHEN NEW.description <> '' THEN NEW.description END) UNION ALL SELECT 'error' AS field, json_quote(NULL) AS before, json_quote(CASE WHEN NEW.error <> '' THEN NEW.error END) AS after WHERE (NULL) IS NOT (CASE WHEN NEW.error <> '' THEN NEW.error END) UNION ALL SELECT 'not_before' AS field, json_quote(NULL) AS before, json_quote(CASE WHEN NEW.not_before <> '' THEN NEW.not_before END) AS after WHERE (NULL) IS NOT (CASE WHEN NEW.not_before <> '' THEN NEW.not_before END) UNION ALL SELECT 'owner' AS field, json_quote(NULL) AS before, json_quote(CASE WHEN NEW.owner <> '' THEN NEW.owner END) AS after WHERE (NULL) IS NOT (CASE WHEN NEW.owner <> '' THEN NEW.owner END) UNION ALL SELECT 'lease_until' AS field, json_quote(NULL) AS before, json_quote(CASE WHEN NEW.lease_until <> '' THEN NEW.lease_until END) AS after WHERE (NULL) IS NOT (CASE WHEN NEW.lease_until <> '' THEN NEW.lease_until END) UNION ALL SELECT 'priority' AS field, json_quote(NULL) AS before, json_quote(CASE WHEN NEW.priority <> '' THEN NEW.priority END) AS after WHERE (NULL) IS NOT (CASE WHEN NEW.priority <> '' THEN NEW.priority END) UNION ALL SELECT 'attempts' AS field, json_quote(NULL) AS before, json_quote(CASE WHEN NEW.attempts <> '' THEN NEW.attempts END) AS after WHERE (NULL) IS NOT (CASE WHEN NEW.attempts <> '' THEN NEW.attempts END) UNION ALL SELECT 'max_attempts' AS field, json_quote(NULL) AS before, json_quote(CASE WHEN NEW.max_attempts <> '' THEN NEW.max_attempts END) AS after WHERE (NULL) IS NOT (CASE WHEN NEW.max_attempts <> '' THEN NEW.max_attempts END) UNION ALL SELECT 'tags' AS field, coalesce(json(NULL), 'null') AS before, coalesce(json(CASE WHEN NEW.tags <> '[]' THEN NEW.tags END), 'null') AS after WHERE (NULL) IS NOT (CASE WHEN NEW.tags <> '[]' THEN NEW.tags END) AND coalesce(json(NULL), 'null') IS NOT coalesce(json(CASE WHEN NEW.tags <> '[]' THEN NEW.tags END), 'null') UNION ALL SELECT 'data' AS field, coalesce(json(NULL), 'null') AS before, coalesce(json(CASE WHEN NEW.data <> '' THEN NEW.data END), 'null') AS after WHERE (NULL) IS NOT (CASE WHEN NEW.data <> '' THEN NEW.data END) AND coalesce(json(NULL), 'null') IS NOT coalesce(json(CASE WHEN NEW.data <> '' THEN NEW.data END), 'null') UNION ALL SELECT 'result' AS field, coalesce(json(NULL), 'null') AS before, coalesce(json(CASE WHEN NEW.result <> '' THEN NEW.result END), 'null') AS after WHERE (NULL) IS NOT (CASE WHEN NEW.result <> '' THEN NEW.result END) AND coalesce(json(NULL), 'null') IS NOT coalesce(json(CASE WHEN NEW.result <> '' THEN NEW.result END), 'null') UNION ALL SELECT 'depends_on' AS field, coalesce(json(NULL), 'null') AS before, coalesce(json(CASE WHEN NEW.depends_on <> '[]' THEN NEW.depends_on END), 'null') AS after WHERE (NULL) IS NOT (CASE WHEN NEW.depends_on <> '[]' THEN NEW.depends_on END) AND coalesce(json(NULL), 'null') IS NOT coalesce(json(CASE WHEN NEW.depends_on <> '[]' THEN NEW.depends_on END), 'null')));
          UPDATE tasks SET (version, created_at, state_since, updated_at) =
            (SELECT CAST(seq AS TEXT), at, at, at FROM events WHERE seq = (SELECT max(seq) FROM events)) WHERE id = NEW.id;
          SELECT RAISE(ABORT, 'this cannot be put on record as it is, and what is on no record is not done') WHERE NOT EXISTS (SELECT 1 FROM events e, tasks t WHERE e.seq = (SELECT max(seq) FROM events)
            AND e.task_id = NEW.id AND e.from_state IS NULL AND t.id = NEW.id AND t.version = CAST(e.seq AS TEXT));
        END;
CREATE INDEX tasks_ready ON tasks (priority, state_since, id, not_before)
          WHERE state = 'pending' AND blocked = 0;
CREATE TRIGGER tasks_update_refused BEFORE UPDATE OF id, state ON tasks
        WHEN NEW.id IS NOT OLD.id OR NOT (OLD.state = 'pending' AND NEW.state IN ('pending', 'in_progress', 'failed') OR OLD.state = 'in_progress' AND NEW.state IN ('pending', 'in_progress', 'review', 'failed') OR OLD.state = 'review' AND NEW.state IN ('pending', 'review', 'completed', 'failed') OR OLD.state = 'completed' AND NEW.state IN ('completed') OR OLD.state = 'failed' AND NEW.state IN ('pending', 'failed')) OR (OLD.attempts >= 1000000000 AND NEW.attempts = OLD.attempts AND (OLD.state = 'in_progress' AND NEW.state = 'pending' OR OLD.state = 'review' AND NEW.state = 'pending' OR OLD.state = 'failed' AND NEW.state = 'pending')) OR (OLD.state = 'pending' AND NEW.state = 'in_progress' AND NEW.blocked > 0) BEGIN
          SELECT CASE
            WHEN (OLD.state = 'pending' AND NEW.state = 'in_progress' AND NEW.blocked > 0) THEN RAISE(ABORT, 'it depends on tasks that are not completed')
            WHEN (OLD.attempts >= 1000000000 AND NEW.attempts = OLD.attempts AND (OLD.state = 'in_progress' AND NEW.state = 'pending' OR OLD.state = 'review' AND NEW.state = 'pending' OR OLD.state = 'failed' AND NEW.state = 'pending')) THEN RAISE(ABORT, 'attempts cannot be counted any further; set it as well')
            WHEN NEW.id IS NOT OLD.id THEN RAISE(ABORT, 'a task keeps its id; add a new task instead')
            WHEN NEW.state NOT IN ('pending', 'in_progress', 'review', 'completed', 'failed') THEN RAISE(ABORT, 'there is no such state; the states are pending, in_progress, review, completed, failed')
            WHEN OLD.state = 'pending' AND NEW.state = 'review' THEN RAISE(ABORT, 'no action moves a task from pending to review; from pending one can start or fail') WHEN OLD.state = 'pending' AND NEW.state = 'completed' THEN RAISE(ABORT, 'no action moves a task from pending to completed; from pending one can start or fail') WHEN OLD.state = 'in_progress' AND NEW.state = 'completed' THEN RAISE(ABORT, 'no action moves a task from in progress to completed; from in progress one can submit, fail or release') WHEN OLD.state = 'review' AND NEW.state = 'in_progress' THEN RAISE(ABORT, 'no action moves a task from review to in progress; from review one can approve, reject or fail') WHEN OLD.state = 'completed' AND NEW.state = 'pending' THEN RAISE(ABORT, 'no action moves a task from completed to pending; completed is final') WHEN OLD.state = 'completed' AND NEW.state = 'in_progress' THEN RAISE(ABORT, 'no action moves a task from completed to in progress; completed is final') WHEN OLD.state = 'completed' AND NEW.state = 'review' THEN RAISE(ABORT, 'no action moves a task from completed to review; completed is final') WHEN OLD.state = 'completed' AND NEW.state = 'failed' THEN RAISE(ABORT, 'no action moves a task from completed to failed; completed is final') WHEN OLD.state = 'failed' AND NEW.state = 'in_progress' THEN RAISE(ABORT, 'no action moves a task from failed to in progress; from failed one can retry') WHEN OLD.state = 'failed' AND NEW.state = 'review' THEN RAISE(ABORT, 'no action moves a task from failed to review; from failed one can retry') WHEN OLD.state = 'failed' AND NEW.state = 'completed' THEN RAISE(ABORT, 'no action moves a task from failed to completed; from failed one can retry') END;
        END;
CREATE TRIGGER tasks_updated_outside AFTER UPDATE ON tasks
        WHEN NOT (NEW.version IS NOT OLD.version AND EXISTS (SELECT 1 FROM events WHERE seq = (SELECT max(seq) FROM events) AND CAST(seq AS TEXT) = NEW.version
    AND task_id = NEW.id AND to_state = NEW.state)) AND (NEW.title IS NOT OLD.title OR NEW.description IS NOT OLD.description OR NEW.error IS NOT OLD.error OR NEW.not_before IS NOT OLD.not_before OR NEW.owner IS NOT OLD.owner OR NEW.priority IS NOT OLD.priority OR NEW.attempts IS NOT OLD.attempts OR NEW.max_attempts IS NOT OLD.max_attempts OR NEW.tags IS NOT OLD.tags OR NEW.data IS NOT OLD.data OR NEW.result IS NOT OLD.result OR NEW.depends_on IS NOT OLD.depends_on OR NEW.state IS NOT OLD.state OR NEW.version IS NOT OLD.version OR NEW.created_at IS NOT OLD.created_at OR NEW.state_since IS NOT OLD.state_since) BEGIN
          INSERT INTO events (task_id, at, actor, action, from_state, to_state, attempts, changes)
            SELECT NEW.id, max(strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'), coalesce((SELECT at FROM events WHERE seq = (SELECT max(seq) FROM events) AND at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'), '')), 'external', CASE WHEN OLD.state = 'pending' AND NEW.state = 'in_progress' THEN 'start' WHEN OLD.state = 'pending' AND NEW.state = 'failed' THEN 'fail' WHEN OLD.state = 'in_progress' AND NEW.state = 'pending' THEN 'release' WHEN OLD.state = 'in_progress' AND NEW.state = 'review' THEN 'submit' WHEN OLD.state = 'in_progress' AND NEW.state = 'failed' THEN 'fail' WHEN OLD.state = 'review' AND NEW.state = 'pending' THEN 'reject' WHEN OLD.state = 'review' AND NEW.state = 'completed' THEN 'approve' WHEN OLD.state = 'review' AND NEW.state = 'failed' THEN 'fail' WHEN OLD.state = 'failed' AND NEW.state = 'pending' THEN 'retry' ELSE 'edit' END,
              OLD.state, NEW.state, CASE WHEN (OLD.state = 'in_progress' AND NEW.state = 'pending' OR OLD.state = 'review' AND NEW.state = 'pending' OR OLD.state = 'failed' AND NEW.state = 'pending') AND NEW.attempts = OLD.attempts THEN OLD.attempts + 1 ELSE NEW.attempts END, (SELECT json_group_object(field, json_array(json(before), json(after))) FROM (SELECT 'title' AS field, json_quote(OLD.title) AS before, json_quote(NEW.title) AS after WHERE (OLD.title) IS NOT (NEW.title) UNION ALL SELECT 'description' AS field, json_quote(OLD.description) AS before, json_quote(NEW.description) AS after WHERE (OLD.description) IS NOT (NEW.description) UNION ALL SELECT 'error' AS field, json_quote(OLD.error) AS before, json_quote(NEW.error) AS after WHERE (OLD.error) IS NOT (NEW.error) UNION ALL SELECT 'not_before' AS field, json_quote(OLD.not_before) AS before, json_quote(CASE WHEN NEW.state <> OLD.state AND NEW.not_before IS OLD.not_before THEN NULL ELSE NEW.not_before END) AS after WHERE (OLD.not_before) IS NOT (CASE WHEN NEW.state <> OLD.state AND NEW.not_before IS OLD.not_before THEN NULL ELSE NEW.not_before END) UNION ALL SELECT 'owner' AS field, json_quote(OLD.owner) AS before, json_quote(CASE WHEN (OLD.state = 'in_progress' AND NEW.state = 'pending' OR OLD.state = 'review' AND NEW.state = 'pending' OR OLD.state = 'failed' AND NEW.state = 'pending') AND NEW.owner IS OLD.owner THEN NULL ELSE NEW.owner END) AS after WHERE (OLD.owner) IS NOT (CASE WHEN (OLD.state = 'in_progress' AND NEW.state = 'pending' OR OLD.state = 'review' AND NEW.state = 'pending' OR OLD.state = 'failed' AND NEW.state = 'pending') AND NEW.owner IS OLD.owner THEN NULL ELSE NEW.owner END) UNION ALL SELECT 'lease_until' AS field, json_quote(OLD.lease_until) AS before, json_quote(CASE WHEN OLD.state = 'in_progress' AND NEW.state <> OLD.state THEN NULL ELSE NEW.lease_until END) AS after WHERE (OLD.lease_until) IS NOT (CASE WHEN OLD.state = 'in_progress' AND NEW.state <> OLD.state THEN NULL ELSE NEW.lease_until END) UNION ALL SELECT 'priority' AS field, json_quote(OLD.priority) AS before, json_quote(NEW.priority) AS after WHERE (OLD.priority) IS NOT (NEW.priority) UNION ALL SELECT 'attempts' AS field, json_quote(OLD.attempts) AS before, json_quote(CASE WHEN (OLD.state = 'in_progress' AND NEW.state = 'pending' OR OLD.state = 'review' AND NEW.state = 'pending' OR OLD.state = 'failed' AND NEW.state = 'pending') AND NEW.attempts = OLD.attempts THEN OLD.attempts + 1 ELSE NEW.attempts END) AS after WHERE (OLD.attempts) IS NOT (CASE WHEN (OLD.state = 'in_progress' AND NEW.state = 'pending' OR OLD.state = 'review' AND NEW.state = 'pending' OR OLD.state = 'failed' AND NEW.state = 'pending') AND NEW.attempts = OLD.attempts THEN OLD.attempts + 1 ELSE NEW.attempts END) UNION ALL SELECT 'max_attempts' AS field, json_quote(OLD.max_attempts) AS before, json_quote(NEW.max_attempts) AS after WHERE (OLD.max_attempts) IS NOT (NEW.max_attempts) UNION ALL SELECT 'tags' AS field, coalesce(json(OLD.tags), 'null') AS before, coalesce(json(NEW.tags), 'null') AS after WHERE (OLD.tags) IS NOT (NEW.tags) AND coalesce(json(OLD.tags), 'null') IS NOT coalesce(json(NEW.tags), 'null') UNION ALL SELECT 'data' AS field, coalesce(json(OLD.data), 'null') AS before, coalesce(json(NEW.data), 'null') AS after WHERE (OLD.data) IS NOT (NEW.data) AND coalesce(json(OLD.data), 'null') IS NOT coalesce(json(NEW.data), 'null') UNION ALL SELECT 'result' AS field, coalesce(json(OLD.result), 'null') AS before, coalesce(json(NEW.result), 'null') AS after WHERE (OLD.result) IS NOT (NEW.result) AND coalesce(json(OLD.result), 'null') IS NOT coalesce(json(NEW.result), 'null') UNION ALL SELECT 'depends_on' AS field, coalesce(json(OLD.depends_on), 'null') AS before, coalesce(json(NEW.depends_on), 'null') AS after WHERE (OLD.depends_on) IS NOT (NEW.depends_on) AND coalesce(json(OLD.depends_on), 'null') IS NOT coalesce(json(NEW.depends_on), 'null')));
          UPDATE tasks SET attempts = CASE WHEN (OLD.state = 'in_progress' AND NEW.state = 'pending' OR OLD.state = 'review' AND NEW.state = 'pending' OR OLD.state = 'failed' AND NEW.state = 'pending') AND NEW.attempts = OLD.attempts THEN OLD.attempts + 1 ELSE NEW.attempts END, owner = CASE WHEN (OLD.state = 'in_progress' AND NEW.state = 'pending' OR OLD.state = 'review' AND NEW.state = 'pending' OR OLD.state = 'failed' AND NEW.state = 'pending') AND NEW.owner IS OLD.owner THEN NULL ELSE NEW.owner END, not_before = CASE WHEN NEW.state <> OLD.state AND NEW.not_before IS OLD.not_before THEN NULL ELSE NEW.not_before END, lease_until = CASE WHEN OLD.state = 'in_progress' AND NEW.state <> OLD.state THEN NULL ELSE NEW.lease_until END,
            (version, updated_at, state_since, created_at) =
            (SELECT CAST(seq AS TEXT), at, CASE WHEN NEW.state = OLD.state THEN OLD.state_since ELSE at END,
              OLD.created_at FROM events WHERE seq = (SELECT max(seq) FROM events))
          WHERE id = NEW.id;
          SELECT RAISE(ABORT, 'this cannot be put on record as it is, and what is on no record is not done') WHERE NOT EXISTS (SELECT 1 FROM events e, tasks t WHERE e.seq = (SELECT max(seq) FROM events)
            AND e.task_id = NEW.id AND t.id = NEW.id AND t.version = CAST(e.seq AS TEXT)
            AND t.version IS NOT OLD.version);
        END;

-- Database header
pragma user_version=5;
pragma application_id=1415865195;

COMMIT TRANSACTION;
