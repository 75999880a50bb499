-- Listings of public channels must not walk through private ones.
CREATE INDEX channels_public ON channels (id) WHERE public = 1;
