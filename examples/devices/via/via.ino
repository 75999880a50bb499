// A sketch for the vendor's library ThingSpeak, whose values nobody but the room reads: only lines with GATEWAY are new.
#include <WiFi.h>
// The library comes behind WiFi.h.
#include <ThingSpeak.h>

#include "Via.h"
#include "secrets.h"

Via<WiFiClient> client(GATEWAY_HOST, GATEWAY_PORT);

void setup() {
  Serial.begin(115200);
  WiFi.begin(SECRET_SSID, SECRET_PASS);
  while (WiFi.status() != WL_CONNECTED) delay(500);
  ThingSpeak.begin(client);
}

void loop() {
  ThingSpeak.setField(1, 21.5f);
  ThingSpeak.setField(2, 40);
  ThingSpeak.setStatus("all well");
  int answer = ThingSpeak.writeFields(GATEWAY_CHANNEL, GATEWAY_KEY);
  Serial.println("the gateway answers " + String(answer));  // 200 is good
  Serial.println("field 1 is " + ThingSpeak.readStringField(GATEWAY_CHANNEL, 1, GATEWAY_KEY));
  delay(15000);
}
