CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_at REAL NOT NULL) STRICT;

CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    requester TEXT NOT NULL,
    space TEXT NOT NULL,
    origin TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('generate', 'refine')),
    request TEXT NOT NULL CHECK (json_valid(request)),
    image_ids TEXT NOT NULL CHECK (json_valid(image_ids)),
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    created_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    failure_code TEXT,
    failure_detail TEXT, audience TEXT NOT NULL DEFAULT '', age_restricted INTEGER NOT NULL DEFAULT 0 CHECK (age_restricted IN (0, 1)), treatment TEXT NOT NULL DEFAULT 'allow'
    CHECK (treatment IN ('allow', 'spoiler', 'hold', 'refuse')), refused INTEGER NOT NULL DEFAULT 0 CHECK (refused >= 0), removed INTEGER NOT NULL DEFAULT 0 CHECK (removed >= 0),
    CHECK ((status IN ('queued', 'running')) = (finished_at IS NULL)),
    CHECK ((status = 'failed') = (failure_code IS NOT NULL))
) STRICT;

CREATE INDEX jobs_unfinished ON jobs (number) WHERE status IN ('queued', 'running');

CREATE TABLE images (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    job_id TEXT REFERENCES jobs (id),
    requester TEXT NOT NULL,
    space TEXT NOT NULL,
    parent_id TEXT REFERENCES images (id),
    file TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    size INTEGER NOT NULL CHECK (size > 0),
    width INTEGER NOT NULL CHECK (width > 0),
    height INTEGER NOT NULL CHECK (height > 0),
    recipe TEXT CHECK (recipe IS NULL OR json_valid(recipe)),
    created_at REAL NOT NULL
, audience TEXT NOT NULL DEFAULT '', age_restricted INTEGER NOT NULL DEFAULT 0 CHECK (age_restricted IN (0, 1)), flagged INTEGER CHECK (flagged IN (0, 1)), held INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1))) STRICT;

CREATE INDEX images_by_space ON images (space, number);

CREATE INDEX images_by_parent ON images (parent_id) WHERE parent_id IS NOT NULL;

CREATE INDEX images_by_job ON images (job_id) WHERE job_id IS NOT NULL;

CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    platform TEXT NOT NULL,
    space TEXT NOT NULL,
    channel TEXT NOT NULL,
    message_id TEXT NOT NULL,
    thread TEXT NOT NULL,
    image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE, image_number INTEGER NOT NULL DEFAULT 0, requester TEXT NOT NULL DEFAULT '', private INTEGER NOT NULL DEFAULT 0 CHECK (private IN (0, 1)),
    UNIQUE (platform, channel, message_id, image_id)
) STRICT;

CREATE INDEX messages_by_thread ON messages (platform, channel, thread, number);

CREATE INDEX messages_by_image ON messages (image_id);

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
, treatment TEXT CHECK (treatment IN ('allow', 'spoiler', 'hold', 'refuse')), treatments TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(treatments)), words TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(words)), reports_to TEXT NOT NULL DEFAULT '', retention_days INTEGER CHECK (retention_days > 0)) STRICT;

CREATE TABLE blocks (
    space TEXT NOT NULL,
    requester TEXT NOT NULL,
    PRIMARY KEY (space, requester)
) STRICT;

CREATE INDEX deliveries_owed ON deliveries (platform, job_id) WHERE state = 'owed';

CREATE INDEX jobs_by_requester ON jobs (requester, number);

CREATE INDEX jobs_by_space ON jobs (space, number);

CREATE INDEX images_by_requester ON images (requester, number);

CREATE TABLE job_counts (
    status TEXT PRIMARY KEY,
    jobs INTEGER NOT NULL CHECK (jobs >= 0)
) STRICT;

CREATE TRIGGER job_is_counted AFTER INSERT ON jobs BEGIN
    UPDATE job_counts SET jobs = jobs + 1 WHERE status = NEW.status;
END;

CREATE TRIGGER moved_job_is_counted AFTER UPDATE OF status ON jobs BEGIN
    UPDATE job_counts SET jobs = jobs - 1 WHERE status = OLD.status;
    UPDATE job_counts SET jobs = jobs + 1 WHERE status = NEW.status;
END;

CREATE TRIGGER deleted_job_is_not_counted AFTER DELETE ON jobs BEGIN
    UPDATE job_counts SET jobs = jobs - 1 WHERE status = OLD.status;
END;

CREATE INDEX jobs_by_end ON jobs (finished_at, status, created_at, failure_code) WHERE finished_at IS NOT NULL;

CREATE INDEX jobs_that_refine ON jobs (json_extract(request, '$.image_id')) WHERE status IN ('queued', 'running');

CREATE INDEX images_for_all ON images (space, number) WHERE audience = space AND NOT age_restricted;

CREATE INDEX images_for_all_ages ON images (requester, number) WHERE NOT age_restricted;

CREATE INDEX messages_by_requester ON messages (requester, platform, channel, private, image_number);

CREATE INDEX images_brought ON images (requester, created_at) WHERE job_id IS NULL;

CREATE INDEX jobs_failed ON jobs (finished_at) WHERE status = 'failed';

CREATE INDEX images_by_sha256 ON images (sha256);

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
