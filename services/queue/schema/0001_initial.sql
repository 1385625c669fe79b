-- The control plane of the queue service: which queues there are, on which shards their partitions lie, and who owns a shard.
--
-- Why so little: messages are not here. Each shard has a schema of its own, shard_NNNN, with a catalogue of segments and a pair of
-- insert-only tables per segment; code creates them as shards and segments come into being (store/pg/shard_schema.h), because their
-- number is not known to a migration.
--
-- Nothing here is written on the path of a message. An append only reads shards (FOR SHARE, the fence), so the tables stay small
-- and without dead rows worth speaking of.

CREATE SCHEMA queue;

-- One row. It is locked first by every change of a queue, so changes are serial and registry_version rises with each.
CREATE TABLE queue.settings (
  only_row         boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  shard_count      integer CHECK (shard_count > 0),  -- null until the first replica starts; never changed after that
  registry_version bigint NOT NULL DEFAULT 0         -- rises with every change of any queue: replicas compare it
);
INSERT INTO queue.settings DEFAULT VALUES;

-- Who is alive: each replica renews its row every third of the lease time.
CREATE TABLE queue.replicas (
  replica    text PRIMARY KEY,
  address    text NOT NULL,        -- host:port of its gRPC server
  expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);          -- room for HOT updates: the renewals touch no index

-- The lease of each shard. The row is the fence: every append holds it FOR SHARE to its commit and requires its epoch, and a
-- take-over UPDATEs it. So a take-over waits for the append that is running and locks out all later ones of the former epoch.
CREATE TABLE queue.shards (
  shard integer PRIMARY KEY,
  epoch bigint NOT NULL DEFAULT 0,  -- rises with every take-over; 0: never owned
  owner text NOT NULL DEFAULT ''    -- name of the replica that took it last; '': nobody yet
) WITH (fillfactor = 50);

-- Ids come from sequences and are never used again: rows of a deleted queue may still lie in segments.
CREATE TABLE queue.queues (
  queue_id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account                text NOT NULL,
  region                 text NOT NULL,
  name                   text NOT NULL,
  visibility_timeout_s   integer NOT NULL,
  delay_s                integer NOT NULL,
  retention_s            integer NOT NULL,
  receive_wait_time_s    integer NOT NULL,
  maximum_message_bytes  integer NOT NULL,
  dead_letter_queue_arn  text,                 -- redrive policy: both or neither
  max_receive_count      integer,
  redrive_permission     smallint CHECK (redrive_permission IN (1, 2, 3)),  -- allow all, deny all, by queue; null: no policy
  redrive_source_arns    text[],               -- which queues, when "by queue"
  created_at             timestamptz NOT NULL,
  updated_at             timestamptz NOT NULL,
  version                bigint NOT NULL,      -- rises with every change of this queue
  UNIQUE (account, region, name),
  CHECK ((dead_letter_queue_arn IS NULL) = (max_receive_count IS NULL)),
  CHECK ((redrive_permission IS NULL) = (redrive_source_arns IS NULL))
);

-- A queue's share on one shard. Standard queues and FIFO queues without high throughput have one, with number 0.
CREATE TABLE queue.partitions (
  partition_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  queue_id     bigint NOT NULL REFERENCES queue.queues ON DELETE CASCADE,
  number       integer NOT NULL,
  shard        integer NOT NULL REFERENCES queue.shards,
  UNIQUE (queue_id, number)
);
