// What this board knows. Keep it out of pictures and repositories.
#pragma once
#define SECRET_SSID "your network"
#define SECRET_PASS "its password"
#define GATEWAY_HOST "192.168.1.9"  // fernpost gateway --listen 192.168.1.9:8080
#define GATEWAY_PORT 8080
#define GATEWAY_CHANNEL 4711123UL     // the room's channel
#define GATEWAY_KEY "AAAABBBBCCCCDDDD"  // fernpost gateway key add ROOM --write --read
