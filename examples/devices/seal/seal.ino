// A sketch for ESP32 that seals its values itself: not even your own network sees them. Each value is a Fernet token in a
// field of its own, in a room of plain texts (fernpost init shed --profile tutorial --fields 1,2).
#include <WiFi.h>
#include <time.h>

#include "fernet.h"
#include "secrets.h"

FernetKey key;

void setup() {
  Serial.begin(115200);
  if (!fernetKey(ROOM_KEY, key)) Serial.println("ROOM_KEY is no key");
  WiFi.begin(SECRET_SSID, SECRET_PASS);  // before the first random number: the radio's noise makes them random
  while (WiFi.status() != WL_CONNECTED) delay(500);
  configTime(0, 0, "pool.ntp.org");
  while (time(NULL) < 1700000000) delay(500);  // a token of 1970 is refused as too old
}

// sealed returns the token of a text, or an empty text.
String sealed(const String &text) {
  uint8_t iv[16];
  char token[FERNET_MAX_TOKEN + 1];
  esp_fill_random(iv, sizeof iv);
  if (!fernetSeal(key, time(NULL), iv, (const uint8_t *)text.c_str(), text.length(), token)) return "";
  return token;
}

// post sends an update, and returns the number of the entry, or 0.
long post(const String &fields) {
  WiFiClient client;
  if (!client.connect(RELAY_HOST, RELAY_PORT)) return 0;
  client.print(String("POST /update HTTP/1.1\r\nHost: ") + RELAY_HOST + "\r\nConnection: close\r\nX-THINGSPEAKAPIKEY: " +
               RELAY_WRITE_KEY + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: " +
               String(fields.length()) + "\r\n\r\n" + fields);
  long entry = client.find("\r\n\r\n") ? client.parseInt() : 0;
  client.stop();
  return entry;
}

void loop() {
  long entry = post("field1=" + sealed("21.5") + "&field2=" + sealed("40"));
  Serial.println(entry > 0 ? "accepted as entry " + String(entry) : "not accepted");
  delay(15000);
}
