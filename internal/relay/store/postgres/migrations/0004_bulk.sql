-- Which entries came by bulk calls: MQTT does not announce them.
CREATE TABLE bulk_calls (
  generation BIGINT NOT NULL,
  first      BIGINT NOT NULL,
  last       BIGINT NOT NULL,
  PRIMARY KEY (generation, last)
);
