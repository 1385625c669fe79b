-- Replicas say that they leave.
--
-- One that stops gives its shards to the others before it ends. Until then it lives, so without this column the others would take
-- it for one that is to have shards, and hand them back.

ALTER TABLE queue.replicas ADD COLUMN leaving boolean NOT NULL DEFAULT false;
