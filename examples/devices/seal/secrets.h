// What this board knows. Keep it out of pictures and repositories.
#pragma once
#define SECRET_SSID "your network"
#define SECRET_PASS "its password"
#define RELAY_HOST "192.168.1.9"  // or api.thingspeak.com, with port 80
#define RELAY_PORT 3000
#define RELAY_WRITE_KEY "AAAABBBBCCCCDDDD"
// fernpost key derive --profile tutorial, with the room's passphrase
#define ROOM_KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
