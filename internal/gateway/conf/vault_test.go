// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf_test

import (
	"strings"
	"testing"

	"blackout/internal/gateway/conf"
)

func TestReferencesResolve(t *testing.T) {
	t.Parallel()
	user := func(c *conf.Config) string { return c.Postgres.User }
	cases := map[string]struct {
		environ []string
		got     func(*conf.Config) string
		want    string
	}{
		"variable":          {[]string{"KONG_PG_USER={vault://env/db-user}", "DB_USER=u"}, user, "u"},
		"upper case":        {[]string{"KONG_PG_USER={vault://env/DB_USER}", "DB_USER=u"}, user, "u"},
		"equals sign":       {[]string{"KONG_PG_USER={vault://env/u}", "U=a=b"}, user, "a=b"},
		"member":            {[]string{"KONG_PG_USER={vault://env/db/user}", `DB={"user":"u"}`}, user, "u"},
		"number as member":  {[]string{"KONG_PG_USER={vault://env/db/user}", `DB={"user":7}`}, user, "7"},
		"configured prefix": {[]string{"KONG_VAULT_ENV_PREFIX=my-", "KONG_PG_USER={vault://env/u}", "MY_U=u"}, user, "u"},
		"own prefix":        {[]string{"KONG_VAULT_ENV_PREFIX=x_", "KONG_PG_USER={vault://env/u?prefix=my_}", "MY_U=u"}, user, "u"},
		"named as ours":     {[]string{"KONG_PG_USER={vault://env/kong-secret-user}", "KONG_SECRET_USER=u"}, user, "u"},
		"listener": {[]string{"KONG_STATUS_LISTEN={vault://env/at}", "AT=127.0.0.1:9 http2"},
			func(c *conf.Config) string { return c.StatusListen[0].String() }, "127.0.0.1:9 http2"},
		"element": {[]string{"KONG_PLUGINS=key-auth, {vault://env/more}, cors", "MORE=rate-limiting"},
			func(c *conf.Config) string { return strings.Join(append(c.Plugins, c.OtherPlugins...), " ") }, "key-auth rate-limiting cors"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := conf.Load(conf.Source{Environ: dataPlane(t, c.environ...)})
			if err != nil {
				t.Fatal(err)
			}
			if got := c.got(config); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestUnresolvedReferencesStopTheNode(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	cases := map[string]struct {
		environ []string
		want    string
	}{
		"no variable": {[]string{"KONG_PG_PASSWORD={vault://env/db-password}"},
			"pg_password: the reference {vault://env/db-password} cannot be resolved: there is no variable DB_PASSWORD"},
		"no JSON": {[]string{"KONG_PG_PASSWORD={vault://env/db/password}", "DB=" + secret},
			"pg_password: the reference {vault://env/db/password} cannot be resolved: DB holds no JSON object"},
		"no member": {[]string{"KONG_PG_PASSWORD={vault://env/db/password}", `DB={"other":"` + secret + `"}`},
			"pg_password: the reference {vault://env/db/password} cannot be resolved: the JSON object in DB has no such text"},
		"other vault": {[]string{"KONG_PG_PASSWORD={vault://aws/db}"}, `pg_password: the reference {vault://aws/db} names the vault "aws"; only env is available here`},
		"no name":     {[]string{"KONG_PG_PASSWORD={vault://env/}"}, "pg_password: the reference {vault://env/} names no secret"},
		"no end":      {[]string{"KONG_PG_PASSWORD={vault://env/x"}, "pg_password: the reference {vault://env/x does not end with a brace"},
		"no effect":   {[]string{"KONG_PG_RO_PASSWORD={vault://env/x}"}, "pg_ro_password: the reference {vault://env/x} cannot be resolved: there is no variable X"},
		"injected":    {[]string{"KONG_NGINX_HTTP_X={vault://env/x}"}, "nginx_http_x: the reference {vault://env/x} cannot be resolved: there is no variable X"},
		"bad enum": {[]string{"KONG_LOG_LEVEL={vault://env/x}", "X=" + secret},
			"log_level: what the reference resolves to is not one of debug, info, notice, warn, error, crit, alert, emerg"},
		"bad number":   {[]string{"KONG_PG_PORT={vault://env/x}", "X=" + secret}, "pg_port: what the reference resolves to is no valid value"},
		"bad listener": {[]string{"KONG_PROXY_LISTEN=0.0.0.0:1, {vault://env/x}", "X=" + secret}, "proxy_listen: what the reference resolves to is no valid value"},
		"prefix":       {[]string{"KONG_VAULT_ENV_PREFIX={vault://env/x}"}, "vault_env_prefix: must not be a reference itself"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := conf.Load(conf.Source{Environ: dataPlane(t, c.environ...)})
			if err == nil || err.Error() != c.want {
				t.Fatalf("got  %v\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Error("the error shows the secret")
			}
		})
	}
}
