-- What connects by MQTT.
CREATE TABLE devices (
  id        TEXT    PRIMARY KEY, -- client ID and user name
  password  TEXT    NOT NULL, -- its SHA-256
  created_s INTEGER NOT NULL
) STRICT;

CREATE TABLE device_rights (
  device    TEXT    NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
  channel   INTEGER NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
  publish   INTEGER NOT NULL, -- 0 or 1
  subscribe INTEGER NOT NULL, -- 0 or 1
  PRIMARY KEY (device, channel)
) STRICT;

CREATE INDEX device_rights_by_channel ON device_rights (channel);
