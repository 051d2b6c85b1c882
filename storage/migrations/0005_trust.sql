ALTER TABLE jobs ADD COLUMN treatment TEXT NOT NULL DEFAULT 'allow'
    CHECK (treatment IN ('allow', 'spoiler', 'hold', 'refuse'));
ALTER TABLE jobs ADD COLUMN refused INTEGER NOT NULL DEFAULT 0 CHECK (refused >= 0);
ALTER TABLE jobs ADD COLUMN removed INTEGER NOT NULL DEFAULT 0 CHECK (removed >= 0);
ALTER TABLE images ADD COLUMN flagged INTEGER CHECK (flagged IN (0, 1));
ALTER TABLE images ADD COLUMN held INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1));
CREATE INDEX images_by_sha256 ON images (sha256);

ALTER TABLE rules ADD COLUMN treatment TEXT CHECK (treatment IN ('allow', 'spoiler', 'hold', 'refuse'));
ALTER TABLE rules ADD COLUMN treatments TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(treatments));
ALTER TABLE rules ADD COLUMN words TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(words));
ALTER TABLE rules ADD COLUMN reports_to TEXT NOT NULL DEFAULT '';
ALTER TABLE rules ADD COLUMN retention_days INTEGER CHECK (retention_days > 0);

CREATE INDEX rules_with_retention ON rules (space) WHERE retention_days IS NOT NULL;

CREATE TABLE reports (
    image_id TEXT PRIMARY KEY REFERENCES images (id) ON DELETE CASCADE,
    platform TEXT NOT NULL,
    space TEXT NOT NULL,
    cause TEXT NOT NULL CHECK (cause IN ('held', 'reported')),
    reporter TEXT NOT NULL,
    created_at REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('owed', 'told', 'closed'))
) STRICT;

CREATE INDEX reports_owed ON reports (platform, created_at) WHERE state = 'owed';
CREATE INDEX reports_by_reporter ON reports (reporter);

CREATE TABLE decisions (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    space TEXT NOT NULL,
    act TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    about TEXT NOT NULL,
    image_id TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE INDEX decisions_by_space ON decisions (space, number);
CREATE INDEX decisions_by_decider ON decisions (decided_by);
CREATE INDEX decisions_about ON decisions (about);
