-- Two things that the tables of a segment, and the catalogues of segments, did not tell.
--
-- consumer: who received a message, as the service saw it, so that a trace can say so. It stands in the event of the receive, or in
-- the message's own row when the send handed it over. Null: unknown, or received before this column was there.
--
-- copied_partition, copied_seq: how far the rows of a segment were copied forward, in the order of (partition_id, seq). These rows
-- are superseded: a copy of a segment is made in slices, and a reader in between counts each message once.
--
-- The tables are made by code (store/pg/shard_schema.h), so those that exist are found by their names. Each ALTER is a change of the
-- catalogue only. A replica that has not been upgraded cannot append to them any more.

DO $$
DECLARE
  found record;
BEGIN
  FOR found IN
    SELECT n.nspname, c.relname
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname ~ '^shard_\d{4,}$' AND c.relkind = 'r'
      AND c.relname ~ '^(messages|events)_\d{6,}$|^segments$'
    ORDER BY 1, 2
  LOOP
    IF found.relname = 'segments' THEN
      EXECUTE format('ALTER TABLE %I.%I ADD COLUMN copied_partition bigint, ADD COLUMN copied_seq bigint',
                     found.nspname, found.relname);
    ELSE
      EXECUTE format('ALTER TABLE %I.%I ADD COLUMN consumer text', found.nspname, found.relname);
    END IF;
  END LOOP;
END $$;
