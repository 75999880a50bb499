-- Which entries came by bulk calls: MQTT does not announce them.
CREATE TABLE bulk_calls (
  generation INTEGER NOT NULL,
  first      INTEGER NOT NULL,
  last       INTEGER NOT NULL,
  PRIMARY KEY (generation, last)
) STRICT, WITHOUT ROWID;
