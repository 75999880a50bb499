// A client over the host's sockets. Like that of the ESP8266 core it looks a name up and then connects to the address.
#pragma once
#include "Client.h"

enum { WL_CONNECTED = 3 };

struct WiFiNetwork {
  void begin(const char *, const char *) {}
  int status() { return WL_CONNECTED; }
};
extern WiFiNetwork WiFi;

class WiFiClient : public Client {
 public:
  ~WiFiClient() { stop(); }
  int connect(IPAddress address, uint16_t port);
  int connect(const char *host, uint16_t port);
  int available() { return peek() >= 0; }
  int read();
  int peek();
  size_t write(const uint8_t *bytes, size_t size);
  void stop();
  uint8_t connected() { return socket >= 0; }

 private:
  int socket = -1;
  int ahead = -1;  // a byte that was looked at
};
