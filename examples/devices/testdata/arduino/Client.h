// The class that every network client of Arduino is derived from.
#pragma once
#include "Arduino.h"

struct IPAddress {
  uint32_t number;  // as it goes over the network
};

class Client : public Stream {
 public:
  virtual int connect(IPAddress address, uint16_t port) = 0;
  virtual int connect(const char *host, uint16_t port) = 0;
  virtual void stop() = 0;
  virtual uint8_t connected() = 0;
};
