#include "lib/tls/name_witness.h"

namespace arcus::tls {

bool NameWitness::take(std::string_view bytes) {
  if (!received_.empty()) bytes = received_.append(bytes);
  switch (reader_.read(bytes)) {
    case ClientHelloReader::Status::need_more:
      if (received_.empty()) received_ = bytes;
      return true;
    case ClientHelloReader::Status::done:
      name_ = reader_.hello().server_name;
      break;
    case ClientHelloReader::Status::not_tls:
    case ClientHelloReader::Status::bad:
      break;
  }
  received_ = {};
  return false;
}

}  // namespace arcus::tls
