-- FIFO queues, tags, and what the 60-second rules need to know.
--
-- Queues that exist are standard queues: every column has the value that is theirs. No table of messages changes, so an upgrade takes
-- no longer with messages in it.

ALTER TABLE queue.queues
  ADD COLUMN fifo                        boolean NOT NULL DEFAULT false,
  ADD COLUMN content_based_deduplication boolean NOT NULL DEFAULT false,
  ADD COLUMN deduplication_scope         smallint NOT NULL DEFAULT 1 CHECK (deduplication_scope IN (1, 2)),    -- queue, group
  ADD COLUMN fifo_throughput_limit       smallint NOT NULL DEFAULT 1 CHECK (fifo_throughput_limit IN (1, 2)),  -- queue, group
  ADD COLUMN partition_count             integer NOT NULL DEFAULT 1 CHECK (partition_count BETWEEN 1 AND 64),
  ADD COLUMN tag_keys                    text[] NOT NULL DEFAULT '{}',
  ADD COLUMN tag_values                  text[] NOT NULL DEFAULT '{}',  -- of the keys, in their order
  ADD COLUMN purged_at                   timestamptz,                   -- last purge under the 60-second rules; null: none
  ADD CHECK (cardinality(tag_keys) = cardinality(tag_values));

-- Names whose queue was deleted a short time ago. Written whether or not the 60-second rules are on, so that they hold from the moment
-- in which they are switched on; each deletion removes what is older than any rule asks for.
CREATE TABLE queue.deleted_names (
  account    text NOT NULL,
  region     text NOT NULL,
  name       text NOT NULL,
  deleted_at timestamptz NOT NULL,
  PRIMARY KEY (account, region, name)
);
