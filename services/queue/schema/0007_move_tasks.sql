-- Move tasks (redrive): so that they survive restarts and owners, and any replica can tell of them.
--
-- A task has a part for each partition of its source queue; the owner of the partition's shard runs it. No message's path leads here:
-- rows are updated when a state changes, and about once a second while a part moves messages.

CREATE TABLE queue.move_tasks (
  task_id                 uuid PRIMARY KEY,
  number                  bigint GENERATED ALWAYS AS IDENTITY,  -- in the order of their starts
  queue_id                bigint NOT NULL,   -- the source; no reference, for the task outlives its queue
  source_arn              text NOT NULL,
  destination_arn         text,              -- null: each message goes back to the queue that it came from
  max_messages_per_second integer CHECK (max_messages_per_second > 0),  -- null: no bound
  state                   smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 5),  -- running, cancelling, completed, cancelled, failed
  failure_reason          integer,           -- number of the reason in errors.json; both when failed, else neither
  failure_message         text,
  started_at              timestamptz NOT NULL DEFAULT now(),
  ended_at                timestamptz,
  CHECK ((state IN (1, 2)) = (ended_at IS NULL)),
  CHECK ((state = 5) = (failure_reason IS NOT NULL)),
  CHECK ((failure_reason IS NULL) = (failure_message IS NULL))
);
-- One active task a source, over all replicas. Also how replicas find the active ones.
CREATE UNIQUE INDEX move_tasks_active ON queue.move_tasks (queue_id) WHERE ended_at IS NULL;
CREATE INDEX move_tasks_of_queue ON queue.move_tasks (queue_id, number DESC);
CREATE INDEX move_tasks_ended ON queue.move_tasks (ended_at);

CREATE TABLE queue.move_task_parts (
  task_id      uuid NOT NULL REFERENCES queue.move_tasks ON DELETE CASCADE,
  partition_id bigint NOT NULL,              -- no reference, as above
  shard        integer NOT NULL REFERENCES queue.shards,
  epoch        bigint NOT NULL DEFAULT 0,    -- of the shard when its owner claimed the part; 0: nobody yet
  to_move      bigint CHECK (to_move >= 0),  -- messages that were ready when it began; null: not counted yet
  moved        bigint NOT NULL DEFAULT 0 CHECK (moved >= 0),
  done         boolean NOT NULL DEFAULT false,
  PRIMARY KEY (task_id, partition_id)
) WITH (fillfactor = 50);                    -- room for HOT updates: progress touches no index
