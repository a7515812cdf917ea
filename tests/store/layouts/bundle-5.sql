BEGIN TRANSACTION;

-- Table  events
DROP TABLE IF EXISTS events;
CREATE TABLE events (
      seq INTEGER PRIMARY KEY, task_id TEXT NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
      from_state TEXT CHECK (from_state IN ('pending', 'in_progress', 'review', 'completed', 'failed')), to_state TEXT CHECK (to_state IN ('pending', 'in_progress', 'review', 'completed', 'failed')),
      attempts INTEGER NOT NULL, note TEXT, changes TEXT NOT NULL, "group" TEXT, undoes INTEGER, hash TEXT
    ) STRICT;
INSERT INTO events VALUES(1,'t-1','2026-01-01T00:00:01.000000Z','ann','add',NULL,'pending',0,NULL,'{"title":[null,"Rotate the key"],"priority":[null,5],"tags":[null,["ops"]],"max_attempts":[null,3],"attempts":[null,0]}',NULL,NULL,'aaf05f4a706c17dfd187fdb46c4273f89b938b73b3532d97f972818031e1b457');
INSERT INTO events VALUES(2,'t-1','2026-01-01T00:00:02.000000Z','ann','start','pending','in_progress',0,NULL,'{"owner":[null,"ann"]}',NULL,NULL,'51c7443caa22c73895d2eeba33a978b8c79a6db06a1261ebc91e18f40101f160');
INSERT INTO events VALUES(3,'t-1','2026-01-01T00:00:03.000000Z','ann','submit','in_progress','review',0,NULL,'{"result":[null,{"answer":42}]}',NULL,NULL,'c54b0987f06bccca71cfeed991128e5c1e54605ee9a94b306d275e5a8a12fa88');
INSERT INTO events VALUES(4,'t-2','2026-01-01T00:00:04.000000Z','ann','add',NULL,'pending',0,NULL,'{"title":[null,"Grüße"],"priority":[null,5],"data":[null,{"x":1.5}],"max_attempts":[null,3],"attempts":[null,0]}',NULL,NULL,'4753d2a38ce3769fa748631cc624b9c5377d0450858b4043999482424ee5106d');
INSERT INTO events VALUES(5,'t-3','2026-11-24T04:51:10.191000Z','external','add',NULL,'pending',0,NULL,'{"title":[null,"from outside"],"priority":[null,5],"attempts":[null,0],"max_attempts":[null,3]}',NULL,NULL,'e76f1cf747dc6d54388908c3fa56c25a28ef27f8804da8b79dcff2ec2f3e87d7');
-- Triggers and indices on  events
CREATE INDEX events_by_task ON events (task_id, seq);

-- Table  extra
DROP TABLE IF EXISTS extra;
CREATE TABLE extra (task_id TEXT NOT NULL PRIMARY KEY, fields TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Table  identity
DROP TABLE IF EXISTS identity;
CREATE TABLE identity (store TEXT NOT NULL) STRICT;
INSERT INTO identity VALUES('7f735cca4fd811a3309b727a5640b9da');

-- Table  links
DROP TABLE IF EXISTS links;
CREATE TABLE links (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;

-- Table  manifest
DROP TABLE IF EXISTS manifest;
CREATE TABLE manifest (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO manifest VALUES('events','5');
INSERT INTO manifest VALUES('first_seq','1');
INSERT INTO manifest VALUES('head','"e76f1cf747dc6d54388908c3fa56c25a28ef27f8804da8b79dcff2ec2f3e87d7"');
INSERT INTO manifest VALUES('head_seq','5');
INSERT INTO manifest VALUES('kind','"SQLite"');
INSERT INTO manifest VALUES('last_seq','5');
INSERT INTO manifest VALUES('left_out','0');
INSERT INTO manifest VALUES('made_at','"2026-11-24T04:51:10.205309Z"');
INSERT INTO manifest VALUES('made_by','"root"');
INSERT INTO manifest VALUES('origin','"aaf05f4a706c17dfd187fdb46c4273f89b938b73b3532d97f972818031e1b457"');
INSERT INTO manifest VALUES('query','""');
INSERT INTO manifest VALUES('sha256','"cc7256c4c5ff25a6ae79047ad47600e3167b9908348b376a77f02da2e98d3589"');
INSERT INTO manifest VALUES('store','"old.db"');
INSERT INTO manifest VALUES('store_events','5');
INSERT INTO manifest VALUES('store_tasks','3');
INSERT INTO manifest VALUES('taskdeck','"0.1.0"');
INSERT INTO manifest VALUES('tasks','3');

-- Table  tasks
DROP TABLE IF EXISTS tasks;
CREATE TABLE tasks (
      id TEXT NOT NULL PRIMARY KEY, title TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('pending', 'in_progress', 'review', 'completed', 'failed')),
      priority INTEGER NOT NULL, attempts INTEGER NOT NULL, max_attempts INTEGER NOT NULL, owner TEXT,
      lease_until TEXT, created_at TEXT, updated_at TEXT, state_since TEXT NOT NULL, version TEXT,
      tags TEXT NOT NULL, error TEXT, description TEXT NOT NULL, data TEXT, result TEXT, not_before TEXT, depends_on TEXT NOT NULL, blocked INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO tasks VALUES('t-1','Rotate the key','review',5,0,3,'ann',NULL,'2026-01-01T00:00:01.000000Z','2026-01-01T00:00:03.000000Z','2026-01-01T00:00:03.000000Z','3','["ops"]',NULL,'',NULL,'{"answer":42}',NULL,'[]',0);
INSERT INTO tasks VALUES('t-2','Grüße','pending',5,0,3,NULL,NULL,'2026-01-01T00:00:04.000000Z','2026-01-01T00:00:04.000000Z','2026-01-01T00:00:04.000000Z','4','[]',NULL,'','{"x":1.5}',NULL,NULL,'[]',0);
INSERT INTO tasks VALUES('t-3','from outside','pending',5,0,3,NULL,NULL,'2026-11-24T04:51:10.191000Z','2026-11-24T04:51:10.191000Z','2026-11-24T04:51:10.191000Z','5','[]',NULL,'',NULL,NULL,NULL,'[]',0);
-- Triggers and indices on  tasks
CREATE INDEX tasks_by_priority ON tasks (state, priority, state_since, id, not_before);
CREATE INDEX tasks_by_time ON tasks (state, state_since, id);

-- Database header
pragma user_version=5;
pragma application_id=1415865186;

COMMIT TRANSACTION;
