-- What connects by MQTT.
CREATE TABLE devices (
  id        TEXT   COLLATE "C" PRIMARY KEY, -- client ID and user name
  password  TEXT   NOT NULL, -- its SHA-256
  created_s BIGINT NOT NULL
);

-- A relay of the schema before deletes channels without a look at this.
CREATE TABLE device_rights (
  device    TEXT    COLLATE "C" NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
  channel   BIGINT  NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
  publish   BOOLEAN NOT NULL,
  subscribe BOOLEAN NOT NULL,
  PRIMARY KEY (device, channel)
);

CREATE INDEX device_rights_by_channel ON device_rights (channel);
