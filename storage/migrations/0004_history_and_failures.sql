CREATE INDEX images_brought ON images (requester, created_at) WHERE job_id IS NULL;
CREATE INDEX jobs_failed ON jobs (finished_at) WHERE status = 'failed';
