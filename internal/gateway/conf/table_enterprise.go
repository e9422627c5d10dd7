// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import "slices"

// enterpriseParameters are those of Kong Enterprise that a hybrid deployment may
// set on every node. Their names are all in public: in the configuration
// references of 3.9 and 3.4 at developer.konghq.com, in its guides (license_data,
// license_path, password, incremental_sync), or set by the images. None has an
// effect, and so their kinds and defaults do not matter.
func enterpriseParameters() []parameter {
	return slices.Concat(
		enterprise("The licence.", true, "license_data"),
		enterprise("Where the licence is.", false, "license_path"),
		enterprise("Password of the first administrator.", true, "password"),
		enterprise("Set by container images.", false, "version", "sha256", "amd64_sha", "arm64_sha"),
		enterprise("Konnect and analytics.", false, "konnect_mode", "analytics_flush_interval", "analytics_buffer_size_limit", "analytics_debug", "identity_service"),
		enterprise("Further ways between control plane and data plane.", false, "cluster_allowed_common_names", "cluster_telemetry_listen",
			"cluster_telemetry_endpoint", "cluster_telemetry_server_name", "incremental_sync"),
		enterprise("Access rights.", false, "enforce_rbac", "rbac_auth_header"),
		enterprise("Vitals.", false, "vitals", "vitals_strategy", "vitals_statsd_address", "vitals_statsd_prefix", "vitals_statsd_udp_packet_size",
			"vitals_tsdb_address", "vitals_tsdb_user", "vitals_prometheus_scrape_interval"),
		enterprise("Vitals' password.", true, "vitals_tsdb_password"),
		enterprise("Events, FIPS and the audit log.", false, "event_hooks_enabled", "fips", "audit_log", "audit_log_ignore_methods", "audit_log_ignore_paths",
			"audit_log_ignore_tables", "audit_log_payload_exclude", "audit_log_record_ttl", "audit_log_signing_key"),
		enterprise("Checks of routes.", false, "route_validation_strategy", "enforce_route_path_pattern"),
		enterprise("The Debug API.", false, "debug_listen", "debug_listen_local", "debug_access_log", "debug_error_log", "debug_ssl_cert"),
		enterprise("Its key.", true, "debug_ssl_cert_key"),
		enterprise("Memory for consumers.", false, "consumers_mem_cache_size"),
		enterprise("IAM authentication at PostgreSQL.", false, "pg_iam_auth", "pg_iam_auth_assume_role_arn", "pg_iam_auth_role_session_name",
			"pg_iam_auth_sts_endpoint_url", "pg_ro_iam_auth", "pg_ro_iam_auth_assume_role_arn", "pg_ro_iam_auth_role_session_name", "pg_ro_iam_auth_sts_endpoint_url"),
		enterprise("The proxy's URL as Kong Manager sees it.", false, "proxy_url"),
		enterpriseManager(), enterpriseVaults(), enterpriseMail(), enterpriseKeyring(), enterprisePortal(), enterpriseTracing(),
	)
}

func enterprise(about string, secret bool, names ...string) []parameter {
	lines := make([]parameter, len(names))
	for i, name := range names {
		lines[i] = parameter{name: name, about: about, secret: secret, enterprise: true}
	}
	return lines
}

func enterpriseManager() []parameter {
	return slices.Concat(
		enterprise("Kong Manager's users and looks.", false, "admin_gui_ssl_protocols", "admin_gui_flags", "admin_gui_auth", "admin_gui_auth_password_complexity",
			"admin_gui_auth_header", "admin_gui_auth_login_attempts", "admin_gui_auth_login_attempts_ttl", "admin_gui_auth_change_password_attempts",
			"admin_gui_auth_change_password_ttl", "admin_gui_header_txt", "admin_gui_header_bg_color", "admin_gui_header_txt_color", "admin_gui_footer_txt",
			"admin_gui_footer_bg_color", "admin_gui_footer_txt_color", "admin_gui_login_banner_title", "admin_gui_login_banner_body"),
		enterprise("Its plugins' configuration, with secrets.", true, "admin_gui_auth_conf", "admin_gui_session_conf"),
	)
}

func enterpriseVaults() []parameter {
	return slices.Concat(
		enterprise("Vaults of AWS, Google and Azure.", false, "vault_aws_region", "vault_aws_endpoint_url", "vault_aws_assume_role_arn", "vault_aws_role_session_name",
			"vault_aws_sts_endpoint_url", "vault_aws_ttl", "vault_aws_neg_ttl", "vault_aws_resurrect_ttl", "vault_gcp_project_id", "vault_gcp_ttl", "vault_gcp_neg_ttl",
			"vault_gcp_resurrect_ttl", "vault_azure_vault_uri", "vault_azure_client_id", "vault_azure_tenant_id", "vault_azure_type", "vault_azure_ttl",
			"vault_azure_neg_ttl", "vault_azure_resurrect_ttl"),
		enterprise("HashiCorp Vault.", false, "vault_hcv_protocol", "vault_hcv_host", "vault_hcv_port", "vault_hcv_namespace", "vault_hcv_mount", "vault_hcv_kv",
			"vault_hcv_auth_method", "vault_hcv_kube_role", "vault_hcv_kube_auth_path", "vault_hcv_kube_api_token_file", "vault_hcv_approle_auth_path",
			"vault_hcv_approle_role_id", "vault_hcv_approle_secret_id_file", "vault_hcv_approle_response_wrapping", "vault_hcv_ttl", "vault_hcv_neg_ttl",
			"vault_hcv_resurrect_ttl"),
		enterprise("Its credentials.", true, "vault_hcv_token", "vault_hcv_approle_secret_id"),
	)
}

func enterpriseMail() []parameter {
	return slices.Concat(
		enterprise("Mail.", false, "admin_emails_from", "admin_emails_reply_to", "admin_invitation_expiry", "smtp_mock", "smtp_host", "smtp_port", "smtp_starttls",
			"smtp_username", "smtp_ssl", "smtp_auth_type", "smtp_domain", "smtp_timeout_connect", "smtp_timeout_send", "smtp_timeout_read", "smtp_admin_emails"),
		enterprise("Its password.", true, "smtp_password"),
	)
}

func enterpriseKeyring() []parameter {
	return slices.Concat(
		enterprise("Encryption of the database.", false, "keyring_enabled", "keyring_strategy", "keyring_public_key", "keyring_recovery_public_key", "keyring_blob_path",
			"keyring_vault_host", "keyring_vault_mount", "keyring_vault_path", "keyring_vault_auth_method", "keyring_vault_kube_role",
			"keyring_vault_kube_api_token_file", "keyring_encrypt_license"),
		enterprise("Its secrets.", true, "keyring_private_key", "keyring_vault_token"),
	)
}

// enterprisePortal: they are in the reference of 3.4 and no longer in that of
// 3.9, and Helm charts still set them.
func enterprisePortal() []parameter {
	return slices.Concat(
		enterprise("The developer portal.", false, "portal", "portal_gui_listen", "portal_gui_protocol", "portal_gui_host", "portal_gui_use_subdomains",
			"portal_gui_ssl_cert", "portal_gui_access_log", "portal_gui_error_log", "portal_api_listen", "portal_api_url", "portal_api_ssl_cert",
			"portal_api_access_log", "portal_api_error_log", "portal_cors_origins", "portal_is_legacy", "portal_auth", "portal_auto_approve", "portal_token_exp",
			"portal_emails_from", "portal_emails_reply_to", "portal_invite_email", "portal_access_request_email", "portal_approved_email", "portal_reset_email",
			"portal_reset_success_email", "portal_email_verification", "portal_app_auth", "portal_auth_login_attempts", "portal_smtp_admin_emails",
			"portal_auth_password_complexity", "portal_application_status_email", "portal_application_request_email"),
		enterprise("Its secrets.", true, "portal_gui_ssl_cert_key", "portal_api_ssl_cert_key", "portal_auth_conf", "portal_session_conf"),
	)
}

// enterpriseTracing: as with the portal.
func enterpriseTracing() []parameter {
	return enterprise("Granular tracing.", false, "tracing", "tracing_write_strategy", "tracing_write_endpoint", "tracing_time_threshold", "tracing_types",
		"tracing_debug_header", "generate_trace_details")
}
