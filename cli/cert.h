#pragma once

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

/// Keeps a new row with what `loaded` says, and prints it.
int keep(Context& context, const TenantPart& which, registry::Cert row,
         const daemon::LoadedCertificate& loaded);

/// What is at the files of the row now becomes what its servers show; waits for them.
int take_over(Context& context, const TenantPart& which, const registry::Cert& row,
              const daemon::LoadedCertificate& loaded, std::string_view action);

// cert_make.cc
extern const ArgInfo* const generate_signature[9];
int run_generate(Context& context, const Args& args);
extern const ArgInfo* const csr_signature[1];
int run_csr(Context& context, const Args& args);
int run_hook(Context& context, const Args& args);

}  // namespace arcus::cli::certs
