ALTER TABLE jobs ADD COLUMN audience TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN age_restricted INTEGER NOT NULL DEFAULT 0 CHECK (age_restricted IN (0, 1));
ALTER TABLE images ADD COLUMN audience TEXT NOT NULL DEFAULT '';
ALTER TABLE images ADD COLUMN age_restricted INTEGER NOT NULL DEFAULT 0 CHECK (age_restricted IN (0, 1));

UPDATE jobs SET audience = space;
UPDATE images SET audience = space;

CREATE TABLE deliveries (
    job_id TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    platform TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('owed', 'delivered', 'failed')),
    note TEXT NOT NULL,
    detail TEXT,
    CHECK ((state = 'failed') = (detail IS NOT NULL))
) STRICT;

CREATE TABLE rules (
    space TEXT PRIMARY KEY,
    paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
    jobs_each INTEGER CHECK (jobs_each > 0),
    images_most INTEGER CHECK (images_most > 0),
    steps_most INTEGER CHECK (steps_most > 0),
    places TEXT NOT NULL CHECK (json_valid(places))
) STRICT;

CREATE TABLE blocks (
    space TEXT NOT NULL,
    requester TEXT NOT NULL,
    PRIMARY KEY (space, requester)
) STRICT;

CREATE INDEX deliveries_owed ON deliveries (platform, job_id) WHERE state = 'owed';
CREATE INDEX jobs_by_requester ON jobs (requester, number);
CREATE INDEX jobs_by_space ON jobs (space, number);
CREATE INDEX jobs_by_end ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX images_by_requester ON images (requester, number);
