-- A store of schema version 1, as PostgreSQL dumped it, with queues and messages in every state: an upgrade starts from this. Its
-- messages are old; a test that wants them delivered first moves their times.
--
--   orders      2 ready ("received once", "never received"), 1 delayed; "deleted" was deleted, "poison" was moved to
--   orders-dlq  1 ready ("poison", received 3 times)
CREATE SCHEMA queue;

CREATE SCHEMA shard_0000;

CREATE SCHEMA shard_0001;

CREATE SCHEMA weir_meta;

CREATE TABLE queue.partitions (
    partition_id bigint NOT NULL,
    queue_id bigint NOT NULL,
    number integer NOT NULL,
    shard integer NOT NULL
);

ALTER TABLE queue.partitions ALTER COLUMN partition_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME queue.partitions_partition_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE queue.queues (
    queue_id bigint NOT NULL,
    account text NOT NULL,
    region text NOT NULL,
    name text NOT NULL,
    visibility_timeout_s integer NOT NULL,
    delay_s integer NOT NULL,
    retention_s integer NOT NULL,
    receive_wait_time_s integer NOT NULL,
    maximum_message_bytes integer NOT NULL,
    dead_letter_queue_arn text,
    max_receive_count integer,
    redrive_permission smallint,
    redrive_source_arns text[],
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT queues_check CHECK (((dead_letter_queue_arn IS NULL) = (max_receive_count IS NULL))),
    CONSTRAINT queues_check1 CHECK (((redrive_permission IS NULL) = (redrive_source_arns IS NULL))),
    CONSTRAINT queues_redrive_permission_check CHECK ((redrive_permission = ANY (ARRAY[1, 2, 3])))
);

ALTER TABLE queue.queues ALTER COLUMN queue_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME queue.queues_queue_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE queue.replicas (
    replica text NOT NULL,
    address text NOT NULL,
    expires_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE queue.settings (
    only_row boolean DEFAULT true NOT NULL,
    shard_count integer,
    registry_version bigint DEFAULT 0 NOT NULL,
    CONSTRAINT settings_only_row_check CHECK (only_row),
    CONSTRAINT settings_shard_count_check CHECK ((shard_count > 0))
);

CREATE TABLE queue.shards (
    shard integer NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    owner text DEFAULT ''::text NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE shard_0000.events_000001 (
    log_no bigint NOT NULL,
    partition_id bigint NOT NULL,
    seq bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    visible_at timestamp with time zone,
    receive_count integer NOT NULL,
    kind smallint NOT NULL,
    source_partition bigint,
    source_seq bigint
)
WITH (autovacuum_enabled=off, fillfactor='100');

CREATE TABLE shard_0000.messages_000001 (
    log_no bigint NOT NULL,
    partition_id bigint NOT NULL,
    seq bigint NOT NULL,
    sent_at timestamp with time zone NOT NULL,
    visible_at timestamp with time zone NOT NULL,
    first_received_at timestamp with time zone,
    source_partition bigint,
    source_seq bigint,
    receive_count integer NOT NULL,
    in_flight boolean NOT NULL,
    message_id uuid NOT NULL,
    message_group_id text,
    deduplication_id text,
    dead_letter_source_arn text,
    attributes bytea,
    body text NOT NULL
)
WITH (autovacuum_enabled=off, fillfactor='100', toast.autovacuum_enabled=off);
ALTER TABLE ONLY shard_0000.messages_000001 ALTER COLUMN attributes SET STORAGE EXTERNAL;
ALTER TABLE ONLY shard_0000.messages_000001 ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE shard_0000.segments (
    segment integer NOT NULL,
    first_log_no bigint NOT NULL,
    lowest_seq bigint NOT NULL,
    rows bigint,
    retired boolean DEFAULT false NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE shard_0001.events_000001 (
    log_no bigint NOT NULL,
    partition_id bigint NOT NULL,
    seq bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    visible_at timestamp with time zone,
    receive_count integer NOT NULL,
    kind smallint NOT NULL,
    source_partition bigint,
    source_seq bigint
)
WITH (autovacuum_enabled=off, fillfactor='100');

CREATE TABLE shard_0001.messages_000001 (
    log_no bigint NOT NULL,
    partition_id bigint NOT NULL,
    seq bigint NOT NULL,
    sent_at timestamp with time zone NOT NULL,
    visible_at timestamp with time zone NOT NULL,
    first_received_at timestamp with time zone,
    source_partition bigint,
    source_seq bigint,
    receive_count integer NOT NULL,
    in_flight boolean NOT NULL,
    message_id uuid NOT NULL,
    message_group_id text,
    deduplication_id text,
    dead_letter_source_arn text,
    attributes bytea,
    body text NOT NULL
)
WITH (autovacuum_enabled=off, fillfactor='100', toast.autovacuum_enabled=off);
ALTER TABLE ONLY shard_0001.messages_000001 ALTER COLUMN attributes SET STORAGE EXTERNAL;
ALTER TABLE ONLY shard_0001.messages_000001 ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE shard_0001.segments (
    segment integer NOT NULL,
    first_log_no bigint NOT NULL,
    lowest_seq bigint NOT NULL,
    rows bigint,
    retired boolean DEFAULT false NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE weir_meta.schema_migrations (
    component text NOT NULL,
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

INSERT INTO queue.partitions OVERRIDING SYSTEM VALUE VALUES (1, 1, 0, 1);
INSERT INTO queue.partitions OVERRIDING SYSTEM VALUE VALUES (2, 2, 0, 1);

INSERT INTO queue.queues OVERRIDING SYSTEM VALUE VALUES (1, '000000000000', 'us-east-1', 'orders-dlq', 30, 0, 345600, 0, 1048576, NULL, NULL, NULL, NULL, '2026-11-24 18:44:41.221029+00', '2026-11-24 18:44:41.221029+00', 1);
INSERT INTO queue.queues OVERRIDING SYSTEM VALUE VALUES (2, '000000000000', 'us-east-1', 'orders', 45, 0, 1209600, 0, 1048576, 'arn:aws:sqs:us-east-1:000000000000:orders-dlq', 2, 2, '{}', '2026-11-24 18:44:41.300274+00', '2026-11-24 18:44:41.300274+00', 1);

INSERT INTO queue.replicas VALUES ('local', '127.0.0.1:0', '2026-11-24 18:44:49.732756+00');

INSERT INTO queue.settings VALUES (true, 2, 2);

INSERT INTO queue.shards VALUES (1, 1, 'local');
INSERT INTO queue.shards VALUES (0, 1, 'local');

INSERT INTO shard_0000.segments VALUES (1, 1, 1, NULL, false, '2026-11-24 18:40:52.801274+00');

INSERT INTO shard_0001.events_000001 VALUES (2, 2, 1, '2026-11-24 18:44:41.46471+00', '2026-11-24 18:44:41.46471+00', 1, 1, NULL, NULL);
INSERT INTO shard_0001.events_000001 VALUES (3, 2, 1, '2026-11-24 18:44:41.542834+00', '2026-11-24 18:44:41.542834+00', 2, 1, NULL, NULL);
INSERT INTO shard_0001.events_000001 VALUES (5, 2, 1, '2026-11-24 18:44:41.612651+00', NULL, 0, 4, NULL, NULL);
INSERT INTO shard_0001.events_000001 VALUES (6, 1, 4, '2026-11-24 18:44:41.682822+00', '2026-11-24 18:44:41.682822+00', 3, 1, NULL, NULL);
INSERT INTO shard_0001.events_000001 VALUES (8, 2, 7, '2026-11-24 18:44:41.823562+00', '2026-11-24 18:45:26.823562+00', 1, 1, NULL, NULL);
INSERT INTO shard_0001.events_000001 VALUES (9, 2, 7, '2026-11-24 18:44:41.834968+00', NULL, 0, 3, NULL, NULL);
INSERT INTO shard_0001.events_000001 VALUES (11, 2, 10, '2026-11-24 18:44:42.055165+00', '2026-11-24 18:44:42.055165+00', 1, 1, NULL, NULL);

INSERT INTO shard_0001.messages_000001 VALUES (1, 2, 1, '2026-11-24 18:44:41.383173+00', '2026-11-24 18:44:41.383173+00', NULL, NULL, NULL, 0, false, '200569b4-8099-4b17-b6c9-e5ad9ea7473d', NULL, NULL, NULL, NULL, 'poison');
INSERT INTO shard_0001.messages_000001 VALUES (4, 1, 4, '2026-11-24 18:44:41.383173+00', '2026-11-24 18:44:41.612651+00', NULL, NULL, NULL, 2, false, '200569b4-8099-4b17-b6c9-e5ad9ea7473d', NULL, NULL, 'arn:aws:sqs:us-east-1:000000000000:orders', NULL, 'poison');
INSERT INTO shard_0001.messages_000001 VALUES (7, 2, 7, '2026-11-24 18:44:41.756224+00', '2026-11-24 18:44:41.756224+00', NULL, NULL, NULL, 0, false, '8b6fcad3-9cc3-499d-9068-6e2582f14751', NULL, NULL, NULL, NULL, 'deleted');
INSERT INTO shard_0001.messages_000001 VALUES (10, 2, 10, '2026-11-24 18:44:41.912274+00', '2026-11-24 18:44:41.912274+00', NULL, NULL, NULL, 0, false, '8c4b3d53-687b-435b-ac98-399ba8c8d4c0', NULL, NULL, NULL, NULL, 'received once');
INSERT INTO shard_0001.messages_000001 VALUES (12, 2, 12, '2026-11-24 18:44:42.156581+00', '2026-11-24 18:44:42.156581+00', NULL, NULL, NULL, 0, false, 'd1943baa-2168-4d1f-acc6-398ce3f72da4', NULL, NULL, NULL, '\x0a150a046b696e641206537472696e671a056f726465720a120a0473697a6512064e756d6265721a023132', 'never received');
INSERT INTO shard_0001.messages_000001 VALUES (13, 2, 13, '2026-11-24 18:44:42.227735+00', '2026-11-24 18:59:42.227735+00', NULL, NULL, NULL, 0, false, '377bb1de-6070-419f-ac5d-7f038d5e96fd', NULL, NULL, NULL, NULL, 'delayed');

INSERT INTO shard_0001.segments VALUES (1, 1, 1, NULL, false, '2026-11-24 18:40:52.791414+00');

INSERT INTO weir_meta.schema_migrations VALUES ('queue', 1, 'initial', 'd1120c2a780753ee8d989434e8b03dced3892b8195f2319113361e498c667785', '2026-11-24 18:40:52.757237+00');

SELECT pg_catalog.setval('queue.partitions_partition_id_seq', 2, true);

SELECT pg_catalog.setval('queue.queues_queue_id_seq', 2, true);

ALTER TABLE ONLY queue.partitions
    ADD CONSTRAINT partitions_pkey PRIMARY KEY (partition_id);

ALTER TABLE ONLY queue.partitions
    ADD CONSTRAINT partitions_queue_id_number_key UNIQUE (queue_id, number);

ALTER TABLE ONLY queue.queues
    ADD CONSTRAINT queues_account_region_name_key UNIQUE (account, region, name);

ALTER TABLE ONLY queue.queues
    ADD CONSTRAINT queues_pkey PRIMARY KEY (queue_id);

ALTER TABLE ONLY queue.replicas
    ADD CONSTRAINT replicas_pkey PRIMARY KEY (replica);

ALTER TABLE ONLY queue.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY queue.shards
    ADD CONSTRAINT shards_pkey PRIMARY KEY (shard);

ALTER TABLE ONLY shard_0000.segments
    ADD CONSTRAINT segments_pkey PRIMARY KEY (segment);

ALTER TABLE ONLY shard_0001.segments
    ADD CONSTRAINT segments_pkey PRIMARY KEY (segment);

ALTER TABLE ONLY weir_meta.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (component, version);

CREATE INDEX messages_000001_partition_id_seq_idx ON shard_0000.messages_000001 USING btree (partition_id, seq);

CREATE INDEX messages_000001_partition_id_seq_idx ON shard_0001.messages_000001 USING btree (partition_id, seq);

ALTER TABLE ONLY queue.partitions
    ADD CONSTRAINT partitions_queue_id_fkey FOREIGN KEY (queue_id) REFERENCES queue.queues(queue_id) ON DELETE CASCADE;

ALTER TABLE ONLY queue.partitions
    ADD CONSTRAINT partitions_shard_fkey FOREIGN KEY (shard) REFERENCES queue.shards(shard);
