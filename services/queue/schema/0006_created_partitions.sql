-- A queue may have several partitions, and get more later.
--
-- created_partition_count: with how many the queue was created. What is moved to the queue from another one goes to these, because a
-- move that is repeated after a crash has to find the partition of its first try, whatever was added in between.

ALTER TABLE queue.queues
  ADD COLUMN created_partition_count integer NOT NULL DEFAULT 1 CHECK (created_partition_count BETWEEN 1 AND 64);
