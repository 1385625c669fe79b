-- Access policies, and attributes that are kept for who set them.
--
-- Queues that exist have neither. The defaults are constants, so no row is rewritten. The service checks what a policy says; here it is
-- a text, because it is answered as it was given.

ALTER TABLE queue.queues
  ADD COLUMN policy            text CHECK (policy <> ''),     -- JSON; null: none
  ADD COLUMN annotation_keys   text[] NOT NULL DEFAULT '{}',
  ADD COLUMN annotation_values text[] NOT NULL DEFAULT '{}',  -- of the keys, in their order
  ADD CHECK (cardinality(annotation_keys) = cardinality(annotation_values));
