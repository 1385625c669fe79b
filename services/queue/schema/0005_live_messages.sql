-- What is in a queue, for people with psql:
--
--   SELECT * FROM queue.messages('orders') WHERE body LIKE '%4711%';
--   SELECT name, state, count(*) FROM queue.live_messages GROUP BY 1, 2;
--
-- The tables of a shard are a log: a row says how a message stood when the row was written, and events with a higher log number say
-- what happened since. This function computes from them what a replica computes when it reads a shard (core/recovery.cc): rows that
-- were copied forward count once, what was deleted, moved, purged or has expired is left out, and what the clock has made visible
-- again is ready. A message that is on its way to another queue shows as ready, because only its owner's memory knows better.
--
-- It only reads, and runs with the rights of its owner: a role that may look needs USAGE on the schema queue and nothing else. It reads
-- the rows of its queue by their index and the events as a whole, so it is made for looking, not for polling.

CREATE FUNCTION queue.messages(queue_name text, account text DEFAULT '000000000000',
                               region text DEFAULT 'us-east-1')
RETURNS TABLE (
  message_id             uuid,
  state                  text,         -- ready, in_flight or delayed
  seq                    bigint,       -- the order in which they were stored, within a partition
  sent_at                timestamptz,
  visible_at             timestamptz,  -- when it becomes, or became, ready
  receive_count          integer,
  first_received_at      timestamptz,  -- null: never in this queue
  message_group_id       text,
  deduplication_id       text,
  dead_letter_source_arn text,
  body                   text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off  -- the tables are never analysed, so the planner knows nothing of them
SET jit = off
AS $function$
DECLARE
  part      record;
  segment   record;
  rows_sql  text;
  event_sql text;
BEGIN
  IF NOT EXISTS (SELECT FROM queue.queues q WHERE q.name = queue_name
                 AND q.account = messages.account AND q.region = messages.region) THEN
    RAISE EXCEPTION 'queue "%" does not exist in account %, region %', queue_name, account, region;
  END IF;
  FOR part IN
    SELECT p.partition_id, q.retention_s,
           'shard_' || repeat('0', 4 - length(p.shard::text)) || p.shard AS schema
    FROM queue.queues q JOIN queue.partitions p USING (queue_id)
    WHERE q.name = queue_name AND q.account = messages.account AND q.region = messages.region
    ORDER BY p.number
  LOOP
    rows_sql := '';
    event_sql := '';
    FOR segment IN EXECUTE format(
      'SELECT repeat(''0'', 6 - length(segment::text)) || segment AS number,'
      ' coalesce(copied_partition, 0) AS copied_partition, coalesce(copied_seq, 0) AS copied_seq'
      ' FROM %I.segments WHERE NOT retired ORDER BY segments.segment', part.schema)
    LOOP
      rows_sql := rows_sql || CASE rows_sql WHEN '' THEN '' ELSE ' UNION ALL ' END || format(
        'SELECT log_no, seq, sent_at, visible_at, first_received_at, receive_count, message_id,'
        ' message_group_id, deduplication_id, dead_letter_source_arn, body FROM %I.%I'
        ' WHERE partition_id = $1 AND (partition_id, seq) > (%s, %s)',
        part.schema, 'messages_' || segment.number, segment.copied_partition, segment.copied_seq);
      event_sql := event_sql || CASE event_sql WHEN '' THEN '' ELSE ' UNION ALL ' END || format(
        'SELECT log_no, seq, kind, at, visible_at, receive_count FROM %I.%I WHERE partition_id = $1',
        part.schema, 'events_' || segment.number);
    END LOOP;
    CONTINUE WHEN rows_sql = '';  -- nobody has opened the shard yet
    -- Kinds of events: core/decision.h. 1 leased, 2 visibility changed, 3 acked, 4 moved, 5 purged up to seq, 8 expired.
    RETURN QUERY EXECUTE format($query$
      WITH event AS MATERIALIZED (%s),
      stored AS (SELECT DISTINCT ON (r.seq) r.* FROM (%s) r ORDER BY r.seq, r.log_no DESC),
      told AS (
        SELECT e.seq, max(e.log_no) FILTER (WHERE e.kind = 1) AS last_lease,
               min(e.log_no) FILTER (WHERE e.kind = 1) AS first_lease,
               max(e.log_no) FILTER (WHERE e.kind = 2) AS last_change,
               bool_or(e.kind IN (3, 4, 8)) AS gone
        FROM event e WHERE e.kind IN (1, 2, 3, 4, 8) GROUP BY e.seq)
      SELECT r.message_id,
             CASE WHEN coalesce(change.visible_at, lease.visible_at, r.visible_at) <= now() THEN 'ready'
                  WHEN lease.log_no IS NULL AND r.first_received_at IS NULL THEN 'delayed'
                  ELSE 'in_flight' END,
             r.seq, r.sent_at, coalesce(change.visible_at, lease.visible_at, r.visible_at),
             coalesce(lease.receive_count, r.receive_count), coalesce(r.first_received_at, opening.at),
             r.message_group_id, r.deduplication_id, r.dead_letter_source_arn, r.body
      FROM stored r
      LEFT JOIN told t ON t.seq = r.seq
      LEFT JOIN event lease ON lease.log_no = t.last_lease AND lease.log_no > r.log_no
      LEFT JOIN event opening ON opening.log_no = t.first_lease
      LEFT JOIN event change ON change.log_no = t.last_change AND change.log_no > r.log_no
                            AND change.log_no > coalesce(t.last_lease, 0)
      WHERE NOT coalesce(t.gone, false)
        AND r.seq > coalesce((SELECT max(e.seq) FROM event e WHERE e.kind = 5), 0)
        AND r.sent_at + $2 * interval '1 second' > now()
      ORDER BY r.seq
    $query$, event_sql, rows_sql) USING part.partition_id, part.retention_s;
  END LOOP;
EXCEPTION WHEN undefined_table THEN
  RAISE EXCEPTION 'a segment of queue "%" was dropped while it was read; run the query again', queue_name
    USING ERRCODE = 'serialization_failure';
END
$function$;

-- The same of all queues.
CREATE VIEW queue.live_messages AS
SELECT q.account, q.region, q.name, m.*
FROM queue.queues q CROSS JOIN LATERAL queue.messages(q.name, q.account, q.region) m;
