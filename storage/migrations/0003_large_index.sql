CREATE TABLE job_counts (
    status TEXT PRIMARY KEY,
    jobs INTEGER NOT NULL CHECK (jobs >= 0)
) STRICT;

INSERT INTO job_counts (status, jobs)
SELECT value, (SELECT count(*) FROM jobs WHERE status = value)
FROM json_each('["queued", "running", "done", "failed", "cancelled"]');

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

ALTER TABLE messages ADD COLUMN image_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN requester TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN private INTEGER NOT NULL DEFAULT 0 CHECK (private IN (0, 1));

UPDATE messages SET image_number = images.number, requester = images.requester, private = images.audience = ''
FROM images WHERE images.id = messages.image_id;

DROP INDEX jobs_by_status;
DROP INDEX jobs_by_end;
CREATE INDEX jobs_by_end ON jobs (finished_at, status, created_at, failure_code) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_that_refine ON jobs (json_extract(request, '$.image_id')) WHERE status IN ('queued', 'running');
CREATE INDEX images_for_all ON images (space, number) WHERE audience = space AND NOT age_restricted;
CREATE INDEX images_for_all_ages ON images (requester, number) WHERE NOT age_restricted;
CREATE INDEX messages_by_requester ON messages (requester, platform, channel, private, image_number);
