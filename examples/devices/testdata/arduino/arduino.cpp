// Runs a sketch: setup, and loop once.
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>

#include "WiFi.h"

SerialPort Serial;
WiFiNetwork WiFi;

void SerialPort::println(const String &text) { puts(text.c_str()); }

void esp_fill_random(void *buffer, size_t size) {
  std::random_device random;
  for (size_t i = 0; i < size; i++) ((uint8_t *)buffer)[i] = random();
}

int WiFiClient::connect(const char *host, uint16_t port) {
  in_addr address;
  // Only addresses: a test that asked for a name would leave this machine.
  if (inet_pton(AF_INET, host, &address) != 1) return 0;
  return connect(IPAddress{address.s_addr}, port);
}

int WiFiClient::connect(IPAddress address, uint16_t port) {
  stop();
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = address.number;
  to.sin_port = htons(port);
  socket = ::socket(AF_INET, SOCK_STREAM, 0);
  timeval patience = {10, 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(socket, (sockaddr *)&to, sizeof to) == 0) return 1;
  stop();
  return 0;
}

int WiFiClient::peek() {
  uint8_t byte;
  if (ahead < 0 && socket >= 0 && recv(socket, &byte, 1, 0) == 1) ahead = byte;
  return ahead;
}

int WiFiClient::read() {
  int byte = peek();
  ahead = -1;
  return byte;
}

size_t WiFiClient::write(const uint8_t *bytes, size_t size) {
  size_t sent = 0;
  while (sent < size) {
    ssize_t n = send(socket, bytes + sent, size - sent, MSG_NOSIGNAL);
    if (n <= 0) break;
    sent += n;
  }
  return sent;
}

void WiFiClient::stop() {
  if (socket >= 0) close(socket);
  socket = ahead = -1;
}

int main() {
  setup();
  loop();
}
