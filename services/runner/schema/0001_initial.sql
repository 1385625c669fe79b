-- Functions with their code and logs, and the event source mappings that feed them.
--
-- Why code stands apart: a function's row is read at every invocation, its code only when a worker starts. A deployment that leaves
-- the code alone gets no copy of it: the code of revision R is that with the highest revision not above R. The last two are kept,
-- for workers that are being started while a deployment happens; older ones go with the deployment that replaces them.
--
-- Why logs are partitioned by the day of writing: they are only ever inserted, and trimmed by dropping a day, which costs the same
-- for one line as for a million and leaves nothing to vacuum. Code makes the partitions (store/pg/pg_log_store.cc).

CREATE SCHEMA runner;

-- Ids are never used again: a function that is deleted and created anew under its name is another one, with a log of its own.
CREATE TABLE runner.functions (
  function_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account           text COLLATE "C" NOT NULL,
  region            text COLLATE "C" NOT NULL,
  name              text COLLATE "C" NOT NULL,
  runtime           text NOT NULL,
  handler           text NOT NULL,
  timeout_s         integer NOT NULL,
  memory_mib        integer NOT NULL,
  environment       jsonb NOT NULL,          -- an object of strings
  concurrency_limit integer NOT NULL,        -- 0: none of its own
  description       text NOT NULL,
  code_sha256       text NOT NULL,
  code_bytes        bigint NOT NULL,
  revision          bigint NOT NULL,         -- rises with every deployment that changed something: updates compare it
  created_at        timestamptz NOT NULL,
  modified_at       timestamptz NOT NULL,
  UNIQUE (account, region, name)
);

-- The code that came with that revision.
CREATE TABLE runner.function_code (
  function_id bigint NOT NULL REFERENCES runner.functions ON DELETE CASCADE,
  revision    bigint NOT NULL,
  kind        smallint NOT NULL CHECK (kind IN (1, 2)),  -- inline files, zip
  zip         bytea,
  PRIMARY KEY (function_id, revision),
  CHECK ((kind = 2) = (zip IS NOT NULL))
);
-- It is compressed already.
ALTER TABLE runner.function_code ALTER COLUMN zip SET STORAGE EXTERNAL;

-- Of code that is inline files.
CREATE TABLE runner.function_files (
  function_id bigint NOT NULL,
  revision    bigint NOT NULL,
  path        text COLLATE "C" NOT NULL,
  content     bytea NOT NULL,
  PRIMARY KEY (function_id, revision, path),
  FOREIGN KEY (function_id, revision) REFERENCES runner.function_code ON DELETE CASCADE
);

CREATE TABLE runner.event_source_mappings (
  uuid                         text COLLATE "C" PRIMARY KEY,
  function_id                  bigint NOT NULL REFERENCES runner.functions,  -- a function in use is not deleted
  event_source_arn             text COLLATE "C" NOT NULL,
  batch_size                   integer NOT NULL,
  maximum_batching_window_s    integer NOT NULL,
  enabled                      boolean NOT NULL,
  maximum_concurrency          integer NOT NULL,         -- 0: as many as the function may have
  report_batch_item_failures   boolean NOT NULL,
  created_at                   timestamptz NOT NULL,
  modified_at                  timestamptz NOT NULL,     -- updates compare it
  UNIQUE (function_id, event_source_arn)
);

-- Positions rise in the order of writing: one writer per runner, one transaction after the other.
CREATE TABLE runner.log_lines (
  written_on  date NOT NULL,
  function_id bigint NOT NULL,   -- without a reference: a deleted function's lines are out of reach, and go with their day
  position    bigint NOT NULL,
  logged_at   timestamptz NOT NULL,
  request_id  text NOT NULL,     -- '': outside of any invocation
  stream      smallint NOT NULL,
  text        text NOT NULL,
  PRIMARY KEY (function_id, position, written_on)
) PARTITION BY RANGE (written_on);
CREATE SEQUENCE runner.log_positions;
