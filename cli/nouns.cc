#include "cli/core/command.h"

namespace arcus::cli {

extern const Noun acl_noun;
extern const Noun audit_noun;
extern const Noun backend_noun;
extern const Noun cert_noun;
extern const Noun completion_noun;
extern const Noun config_noun;
extern const Noun db_noun;
extern const Noun doctor_noun;
extern const Noun explain_noun;
extern const Noun gc_noun;
extern const Noun health_noun;
extern const Noun help_noun;
extern const Noun init_noun;
extern const Noun logs_noun;
extern const Noun route_noun;
extern const Noun server_noun;
extern const Noun sql_noun;
extern const Noun stats_noun;
extern const Noun status_noun;
extern const Noun template_noun;
extern const Noun tenant_noun;
extern const Noun user_noun;
extern const Noun daemon_noun;
extern const Noun run_noun;
extern const Noun serve_noun;
extern const Noun worker_noun;
extern const Noun version_noun;

static constexpr const Noun* table[] = {
    &init_noun,    &serve_noun, &run_noun,        &status_noun, &tenant_noun,   &server_noun, &backend_noun,
    &route_noun,   &cert_noun,  &user_noun,       &acl_noun,    &template_noun, &stats_noun,  &health_noun,
    &explain_noun, &logs_noun,  &audit_noun,      &doctor_noun, &daemon_noun,   &sql_noun,    &db_noun,
    &config_noun,  &gc_noun,    &completion_noun, &help_noun,   &version_noun,  &worker_noun,
};

std::span<const Noun* const> nouns() noexcept { return table; }

}  // namespace arcus::cli
