// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"errors"
	"fmt"
	"time"
)

func databaseParameters() []parameter {
	return []parameter{
		{name: "database", kind: enum, value: "postgres", enum: []string{"postgres", "off", "sqlite"}, set: accept, // see reader.database
			about: "Where a control plane keeps its entities; a data plane needs `off`. `sqlite` is not Kong's: a control plane that sets nothing uses it, and one that sets `postgres` gets PostgreSQL."},
		{name: "pg_host", value: "127.0.0.1", set: text(func(c *Config) *string { return &c.Postgres.Host }), about: "Host of the PostgreSQL server."},
		{name: "pg_port", kind: number, value: "5432", set: within(func(c *Config) *int { return &c.Postgres.Port }, 0, 65535), about: "Its port."},
		{name: "pg_user", value: "kong", set: text(func(c *Config) *string { return &c.Postgres.User }), about: "The user."},
		{name: "pg_password", secret: true, set: text(func(c *Config) *string { return &c.Postgres.Password }), about: "The user's password."},
		{name: "pg_database", value: "kong", set: text(func(c *Config) *string { return &c.Postgres.Database }), about: "The database."},
		{name: "pg_schema", set: text(func(c *Config) *string { return &c.Postgres.Schema }), about: "The schema. Unset: as the server's search_path says."},
		{name: "pg_timeout", kind: number, value: "5000", set: milliseconds(func(c *Config) *time.Duration { return &c.Postgres.Timeout }),
			about: "Milliseconds for connecting, reading and writing."},
		{name: "pg_ssl", kind: boolean, value: "off", set: truth(func(c *Config) *bool { return &c.Postgres.SSL }), about: "Whether TLS is asked for; a server without it is used all the same."},
		{name: "pg_ssl_required", kind: boolean, value: "off", set: truth(func(c *Config) *bool { return &c.Postgres.SSLRequired }), about: "Whether a server without TLS is refused."},
		{name: "pg_ssl_verify", kind: boolean, value: "off", set: truth(func(c *Config) *bool { return &c.Postgres.SSLVerify }),
			about: "Whether its certificate is checked against `lua_ssl_trusted_certificate`."},
		{name: "pg_ssl_version", kind: enum, value: "tlsv1_2", enum: []string{"tlsv1_1", "tlsv1_2", "tlsv1_3", "any"},
			set: text(func(c *Config) *string { return &c.Postgres.SSLVersion }), about: "The TLS version."},
		{name: "pg_ssl_cert", kind: pemKind, set: setPostgresCertificate, about: "The node's certificate for the server."},
		{name: "pg_ssl_cert_key", kind: pemKind, secret: true, set: setPostgresKey, about: "Its key."},
		{name: "pg_max_concurrent_queries", kind: number, value: "0", set: count(func(c *Config) *int { return &c.Postgres.MaxConcurrentQueries }),
			about: "Queries at a time; 0 means Kong's any number, and 10 connections here."},
		{name: "pg_semaphore_timeout", kind: number, value: "60000", inert: true, set: milliseconds(func(c *Config) *time.Duration { return &c.Postgres.SemaphoreTimeout }),
			about: "Milliseconds that a query waits for the others."},
		{name: "pg_keepalive_timeout", kind: number, set: milliseconds(func(c *Config) *time.Duration { return &c.Postgres.KeepaliveTimeout }),
			about: "Milliseconds that a connection may be idle."},
		{name: "pg_pool_size", kind: number, inert: true, set: orUnset(func(c *Config) *int { return &c.Postgres.PoolSize }, 256), about: "Idle connections. Unset: 256, as `lua_socket_pool_size`."},
		{name: "pg_backlog", kind: number, inert: true, set: orUnset(func(c *Config) *int { return &c.Postgres.Backlog }, -1),
			about: "If set, connections are limited to `pg_pool_size`, and so many may wait."},
		{name: "pg_ro_host", about: "Host of a server for reading. All reading goes to `pg_host` here, and so the other `pg_ro_*` have no effect."},
		{name: "pg_ro_port", kind: number, about: "Its port."},
		{name: "pg_ro_user", about: "Its user."},
		{name: "pg_ro_password", secret: true, about: "Its password."},
		{name: "pg_ro_database", about: "Its database."},
		{name: "pg_ro_schema", about: "Its schema."},
		{name: "pg_ro_timeout", kind: number, about: "Its time-out."},
		{name: "pg_ro_ssl", kind: boolean, about: "Its TLS."},
		{name: "pg_ro_ssl_required", kind: boolean, about: "Whether it must have TLS."},
		{name: "pg_ro_ssl_verify", kind: boolean, about: "Whether its certificate is checked."},
		{name: "pg_ro_ssl_version", about: "Its TLS version."},
		{name: "pg_ro_max_concurrent_queries", kind: number, about: "Its queries at a time."},
		{name: "pg_ro_semaphore_timeout", kind: number, about: "The wait for one of them."},
		{name: "pg_ro_keepalive_timeout", kind: number, about: "Its idle connections' time."},
		{name: "pg_ro_pool_size", kind: number, about: "Its idle connections."},
		{name: "pg_ro_backlog", kind: number, about: "Its queue."},
	}
}

func cacheParameters() []parameter {
	return []parameter{
		{name: "declarative_config", set: text(func(c *Config) *string { return &c.DeclarativeConfig }),
			about: "YAML or JSON file with the configuration that a data plane without a cache starts with; see `blackout_declarative_config_order`. A control plane ignores it."},
		{name: "declarative_config_string", secret: true, set: text(func(c *Config) *string { return &c.DeclarativeConfigString }),
			about: "The same as text. The file is used if both are given."},
		{name: "nginx_admin_client_max_body_size", value: "10m", set: size(func(c *Config) *int64 { return &c.AdminMaxBody }),
			about: "Largest body that the Admin API takes; 0 means any."},
		{name: "lmdb_environment_path", value: "dbless.lmdb", about: "Where a data plane's cache is. It is the file `<prefix>/config.cache` here."},
		{name: "lmdb_map_size", value: "2048m", about: "Largest size of that cache. It grows as needed here."},
		{name: "mem_cache_size", value: "128m", about: "Memory for entities. It grows as needed here, and so do the next two."},
		{name: "db_update_propagation", kind: number, value: "0", about: "Seconds that a database's replicas lag behind."},
		{name: "db_cache_ttl", kind: number, value: "0", about: "Seconds that an entity of the database is cached. None is, here."},
		{name: "db_cache_neg_ttl", kind: number, about: "The same for one that is missing."},
		{name: "db_resurrect_ttl", kind: number, value: "30", about: "Seconds that an outdated one is used while the database is down."},
		{name: "db_cache_warmup_entities", kind: listKind, value: "services", about: "Entities that are cached at the start."},
	}
}

// setPostgresCertificate and its like for the key fill one pair.
func setPostgresCertificate(c *Config, value string) error {
	c.Postgres.ClientTLS = nil
	if value == "" {
		return nil
	}
	data, err := readPEM(value)
	if err == nil {
		c.Postgres.ClientTLS = &KeyPair{Certificate: data}
	}
	return err
}

func setPostgresKey(c *Config, value string) error {
	switch {
	case c.Postgres.ClientTLS == nil && value == "":
		return nil
	case c.Postgres.ClientTLS == nil:
		return errors.New("is given without pg_ssl_cert")
	case value == "":
		return errors.New("is missing beside pg_ssl_cert")
	}
	data, err := readPEM(value)
	if err != nil {
		return fmt.Errorf("read the key: %w", err)
	}
	c.Postgres.ClientTLS.Key = data
	return nil
}
