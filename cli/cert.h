#pragma once

#include <functional>
#include <string>

#include "cli/core/command.h"
#include "cli/core/targets.h"
#include "lib/daemon/certificates.h"
#include "lib/registry/certs.h"

/// What the verbs of `cert` share; those that make something are in cert_make.cc.
namespace arcus::cli::certs {

inline constexpr Arg<std::string_view> ref{
    "CERT", "NAME with -t, or TENANT/NAME", {.required = true, .complete = Source::cert}};
inline constexpr Arg<std::string_view> new_cert{"CERT", "NAME with -t, or TENANT/NAME", {.required = true}};
inline constexpr Arg<std::string_view> description{"--description", "free text"};

/// The row that `word` names. Throws Error (not_found).
registry::Cert find(Context& context, const TenantPart& which);

/// The row as it is inside a transaction. Throws Error (conflict) when --if-generation is another.
registry::Cert current(Context& context, Database& db, const registry::Cert& row);
/// Waits until the servers that are wanted running show what they were told to; reports those that do not.
int await_shown(Context& context, std::vector<registry::Server> servers, std::string_view action);
int report_changed(Context& context, const TenantPart& which, const std::string& id, std::string_view action);

/// Throws Error (usage) for what cannot be a certificate's name, and so no file's.
void require_name(const std::string& name);

/// Keeps a new row with what the certificate says, and prints it. `and_then` is the last thing to fail.
int keep(Context& context, const TenantPart& which, registry::Cert row, const CertificateFacts& facts,
         const std::function<void()>& and_then = {});

/// The row becomes as given, its servers show what its files have now; waits for them.
int take_over(Context& context, const TenantPart& which, registry::Cert row, const CertificateFacts& facts,
              std::string_view action, const std::function<void()>& and_then = {});

// cert_make.cc
extern const ArgInfo* const generate_signature[9];
int run_generate(Context& context, const Args& args);
extern const ArgInfo* const csr_signature[1];
int run_csr(Context& context, const Args& args);
int run_hook(Context& context, const Args& args);

}  // namespace arcus::cli::certs
