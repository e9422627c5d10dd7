// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity_test

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/entity"
)

// TestRules pins the words of rules that the recordings do not all show.
func TestRules(t *testing.T) {
	t.Parallel()
	const tlsOnly = "failed conditional validation given value of field 'protocol'"
	cases := []struct {
		name   string
		schema *entity.Schema
		input  string
		fields string // "" if the record is accepted
	}{
		{"tls field without tls", entity.Services, `{"host":"h","tls_verify":true}`, `{"@entity":["` + tlsOnly + `"],"tls_verify":"value must be null"}`},
		{"tls field with tls", entity.Services, `{"host":"h","protocol":"tls","tls_verify":true}`, ``},
		{"path of a stream", entity.Services, `{"host":"h","protocol":"tcp","path":"/x"}`, `{"@entity":["` + tlsOnly + `"],"path":"value must be null"}`},
		{"host with a port", entity.Services, `{"host":"h:80"}`, `{"host":"must not have a port"}`},
		{"empty host", entity.Services, `{"host":""}`, `{"host":"length must be at least 1"}`},
		{"IPv6", entity.Services, `{"host":"::1"}`, ``},
		{"host of digits", entity.Services, `{"host":"1.2.3.999"}`, `{"host":"invalid value: 1.2.3.999"}`},
		{"tag", entity.Services, `{"host":"h","tags":["a","b,c"]}`,
			"{\"tags\":[null,\"invalid tag 'b,c': expected printable ascii (except `,` and `/`) or valid utf-8 sequences\"]}"},
		{"null in a list", entity.Services, `{"host":"h","tags":[null]}`, `{"tags":["expected a string"]}`},
		{"reference by name", entity.Routes, `{"paths":["/"],"service":{"name":"s"}}`, `{"service":{"id":"missing primary key"}}`},
		{"mixed protocols", entity.Routes, `{"paths":["/"],"protocols":["http","tcp"]}`,
			`{"protocols":"these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp')"}`},
		{"unknown protocol", entity.Routes, `{"paths":["/"],"protocols":["foo"]}`, `{"protocols":"unknown type: foo"}`},
		{"no protocol", entity.Routes, `{"paths":["/"],"protocols":[]}`, `{"protocols":"length must be at least 1"}`},
		{"stream without matcher", entity.Routes, `{"protocols":["tcp"]}`,
			`{"@entity":["must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'"]}`},
		{"stream with paths", entity.Routes, `{"protocols":["tls"],"snis":["a.example"],"paths":["/"]}`,
			`{"paths":"cannot set 'paths' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'"}`},
		{"passthrough", entity.Routes, `{"protocols":["tls_passthrough"]}`, `{"@entity":["must set snis when 'protocols' is 'tls_passthrough'"]}`},
		{"empty source", entity.Routes, `{"protocols":["tcp"],"sources":[{}]}`,
			`{"sources":[{"@entity":["at least one of these fields must be non-empty: 'ip', 'port'"]}]}`},
		{"bad source", entity.Routes, `{"protocols":["tcp"],"sources":[{"ip":"10.0.0.0/33"}]}`, `{"sources":[{"ip":"invalid ip or cidr range: '10.0.0.0/33'"}]}`},
		{"grpc strips", entity.Routes, `{"protocols":["grpc"],"paths":["/"],"strip_path":true}`,
			`{"strip_path":"cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'"}`},
		{"grpc", entity.Routes, `{"protocols":["grpc"],"paths":["/"]}`, ``},
		{"SNIs without TLS", entity.Routes, `{"protocols":["http"],"paths":["/"],"snis":["a.example"]}`,
			`{"@entity":["'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'"],"snis":"length must be 0"}`},
		{"two wildcards", entity.Routes, `{"hosts":["*.a.*"]}`, `{"hosts":["invalid wildcard: must have at most one wildcard"]}`},
		{"wildcard inside", entity.Routes, `{"hosts":["a.*.b"]}`, `{"hosts":["invalid wildcard: must be placed at leftmost or rightmost label"]}`},
		{"escape", entity.Routes, `{"paths":["/a%zz"]}`, `{"paths":["invalid url-encoded value: '%zz'"]}`},
		{"path to normalize", entity.Routes, `{"paths":["/a/../b"]}`, `{"paths":["non-normalized path, consider use '/b' instead"]}`},
		{"consumer", entity.Consumers, `{}`, `{"@entity":["at least one of these fields must be non-empty: 'custom_id', 'username'"]}`},
		{"upstream address", entity.Upstreams, `{"name":"1.2.3.4"}`, `{"name":"Invalid name ('1.2.3.4'); no ip addresses allowed"}`},
		{"upstream port", entity.Upstreams, `{"name":"u:80"}`, `{"name":"Invalid name ('u:80'); no port allowed"}`},
		{"hash without header", entity.Upstreams, `{"name":"u","hash_on":"header"}`,
			`{"@entity":["failed conditional validation given value of field 'hash_on'"],"hash_on_header":"required field missing"}`},
		{"fallback alone", entity.Upstreams, `{"name":"u","hash_fallback":"ip"}`,
			`{"@entity":["failed conditional validation given value of field 'hash_on'"],"hash_fallback":"expected one of: none"}`},
		{"deep", entity.Upstreams, `{"name":"u","healthchecks":{"active":{"healthy":{"interval":-1}}}}`,
			`{"healthchecks":{"active":{"healthy":{"interval":"value should be between 0 and 65535"}}}}`},
		{"target", entity.Targets, `{"upstream":{"id":"` + serviceID + `"},"target":"a b"}`, `{"target":"Invalid target ('a b'); not a valid hostname or ip address"}`},
		{"two names of a field", entity.Plugins, `{"name":"rate-limiting","config":{"minute":1,"redis_host":"a","redis":{"host":"b"}}}`,
			`{"config":{"redis_host":"both deprecated and new field are used but their values mismatch: redis_host = a vs redis.host = b"}}`},
		{"two names of a field with lists", entity.Plugins, `{"name":"rate-limiting","config":{"minute":1,"redis_host":["a"],"redis":{"host":["b"]}}}`,
			`{"config":{"redis_host":"both deprecated and new field are used but their values mismatch: redis_host = [a] vs redis.host = [b]","redis":{"host":"expected a string"}}}`},
		{"an older name beside no record", entity.Plugins, `{"name":"rate-limiting","config":{"minute":1,"redis_host":"a","redis":"b"}}`,
			`{"config":{"redis":"expected a record"}}`},
		{"an integer of no machine", entity.Routes, `{"paths":["/"],"regex_priority":1e300,"created_at":1e19}`,
			`{"created_at":"expected an integer","regex_priority":"expected an integer"}`},
		{"vault prefix", entity.Vaults, `{"name":"env","prefix":"A"}`, `{"prefix":"invalid value: A"}`},
		{"certificate", entity.Certificates, `{"cert":"x","key":"y"}`,
			`{"cert":"invalid certificate: no PEM block found","key":"invalid key: no private key in PEM form found"}`},
		{"vault references", entity.Certificates, `{"cert":"{vault://env/cert}","key":"{vault://env/key}"}`, ``},
		{"half an alternative", entity.Certificates, `{"cert":"{vault://env/c}","key":"{vault://env/k}","cert_alt":"{vault://env/a}"}`,
			`{"@entity":["all or none of these fields must be set: 'cert_alt', 'key_alt'"]}`},
		{"two keys", entity.Keys, `{"kid":"1","jwk":"{vault://env/k}","pem":{"public_key":"{vault://env/k}"}}`,
			`{"@entity":["only one or none of these fields must be set: 'jwk', 'pem'"]}`},
		{"no key", entity.Keys, `{"kid":"1","pem":{}}`, `{"@entity":["need to supply a PEM formatted public and/or private key."]}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := c.schema.Complete(decode(t, c.input).(map[string]any))
			if c.fields == "" {
				if err != nil {
					t.Errorf("got %v, want it accepted", err)
				}
				return
			}
			var refusal *entity.Error
			if !errors.As(err, &refusal) {
				t.Fatalf("got %v, want a refusal", err)
			}
			if !reflect.DeepEqual(any(refusal.Fields), decode(t, c.fields)) {
				t.Errorf("\ngot  %v\nwant %v", refusal.Fields, c.fields)
			}
		})
	}
}

func TestOlderNamesShowTheFieldTheyStandFor(t *testing.T) {
	t.Parallel()
	record, err := entity.Plugins.Complete(entity.Record{"name": "rate-limiting", "config": map[string]any{"minute": 1.0, "redis_host": "r"}})
	if err != nil {
		t.Fatal(err)
	}
	config := record.Sub("config")
	if config.Sub("redis").Text("host") != "r" || config.Text("redis_host") != "r" || config.Integer("redis_port") != 6379 {
		t.Errorf("got %v", config)
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	now := time.Now()
	ca, caKey := pair(t, true, now.Add(time.Hour))
	leaf, leafKey := pair(t, false, now.Add(time.Hour))
	expired, _ := pair(t, true, now.Add(-time.Hour))
	cases := map[string]struct {
		schema *entity.Schema
		input  entity.Record
		want   string
	}{
		"CA":         {entity.CACertificates, entity.Record{"cert": ca}, ""},
		"no CA":      {entity.CACertificates, entity.Record{"cert": leaf}, `missing the "CA" basic constraint`},
		"expired CA": {entity.CACertificates, entity.Record{"cert": expired}, `certificate expired, "Not After" time is in the past`},
		"two CAs":    {entity.CACertificates, entity.Record{"cert": ca + ca}, "please submit only one certificate at a time"},
		"pair":       {entity.Certificates, entity.Record{"cert": leaf, "key": leafKey}, ""},
		"other key":  {entity.Certificates, entity.Record{"cert": leaf, "key": caKey}, "certificate does not match key"},
		"same types": {entity.Certificates, entity.Record{"cert": leaf, "key": leafKey, "cert_alt": ca, "key_alt": caKey}, "need to have different type"},
		"public key": {entity.Certificates, entity.Record{"cert": leaf, "key": leaf}, "no private key"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record, err := c.schema.Complete(c.input)
			if c.want == "" {
				if err != nil || c.schema == entity.CACertificates && len(record.Text("cert_digest")) != 64 {
					t.Fatalf("got %v, digest %q", err, record.Text("cert_digest"))
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "PRIVATE") {
				t.Error("the error shows a private key")
			}
		})
	}
}

func TestReceivedExpiredAuthorityIsAWarning(t *testing.T) {
	t.Parallel()
	expired, _ := pair(t, true, time.Now().Add(-time.Hour))
	table, err := entity.ParseTable([]byte(`{"_format_version":"3.0","_transform":false,"ca_certificates":[{"id":"` + serviceID + `","cert":"` +
		strings.ReplaceAll(expired, "\n", `\n`) + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Warnings) != 1 || !strings.HasPrefix(table.Warnings[0], "ca_certificates.1: certificate expired") {
		t.Errorf("got warnings %q", table.Warnings)
	}
}

func TestCredentialsWithoutKeyGetOne(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{}
	for range 10 {
		record, err := entity.KeyAuthCredentials.Complete(entity.Record{"consumer": map[string]any{"id": serviceID}})
		if err != nil || len(record.Text("key")) != 32 {
			t.Fatalf("got %v, a key of %d characters", err, len(record.Text("key")))
		}
		keys[record.Text("key")] = true
	}
	if len(keys) != 10 {
		t.Errorf("got %d different keys of 10", len(keys))
	}
}

// TestRepeatedSecretsStaySecret looks at a duplicate whose value is a password.
func TestRepeatedSecretsStaySecret(t *testing.T) {
	t.Parallel()
	row := func(n string) string {
		return `{"id":"0000000` + n + `-0000-4000-8000-000000000001","consumer":"` + serviceID + `","key":"s3cret"}`
	}
	_, err := entity.ParseTable([]byte(table(`"consumers":[{"id":"` + serviceID + `","username":"u"}],"keyauth_credentials":[` + row("2") + "," + row("3") + `]`)))
	if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "keyauth_credentials.2") {
		t.Errorf("got %v", err)
	}
}

// TestManyTags: a long set takes no longer than reading it does.
func TestManyTags(t *testing.T) {
	t.Parallel()
	tags := make([]any, 300_000)
	for i := range tags {
		tags[i] = strconv.Itoa(i / 2)
	}
	began := time.Now()
	record, err := entity.Services.Complete(entity.Record{"host": "h", "tags": tags})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(record.Texts("tags")); got != len(tags)/2 {
		t.Errorf("%d tags are left", got)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
