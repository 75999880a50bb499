// Via leads a client somewhere else. Libraries like ThingSpeak's have the service's name and port built in; with
//
//   Via<WiFiClient> client("192.168.1.9", 8080);
//
// each connection that such a library opens by a name goes to this host and port, and the library itself stays as it is.
#pragma once
#include <Client.h>

template <class Base>
class Via : public Base {
 public:
  Via(const char *host, uint16_t port) : host(host), port(port) {}

  using Base::connect;  // connections by address are left alone: many clients look a name up and then call this
  int connect(const char *, uint16_t) { return Base::connect(host, port); }

 private:
  const char *host;
  uint16_t port;
};
