// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/operator"
)

var verifying = operator.VerifyOptions{Version: version, Expiring: 30 * 24 * time.Hour}

func TestVerifyGoodSnapshot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := seeded(t, declared)
		later(s)
		v, err := s.Verify(t.Context(), verifying)
		if err != nil || !v.Bootable {
			t.Fatalf("%+v, %v", v, err)
		}
		golden(t, "verify-good", v)
	})
}

const badTable = `{"_format_version":"3.0","_transform":false,
"services":[
 {"id":"00000001-0000-4000-8000-000000000001","name":"orders","host":"orders.internal","port":70000},
 {"id":"00000002-0000-4000-8000-000000000002","name":"bills","host":"bills.internal","retries":"many"}],
"routes":[{"id":"0000000b-0000-4000-8000-00000000000b","name":"list","paths":["orders"],"service":"00000009-0000-4000-8000-000000000009"}],
"consumers":[{"id":"0000002b-0000-4000-8000-00000000000b","username":"alice","colour":"red"}],
"keyauth_credentials":[{"id":"0000003b-0000-4000-8000-00000000000b","consumer":"0000002b-0000-4000-8000-00000000000b","key":"{vault://aws/keys/alice}"}],
"vaults":[{"id":"0000004b-0000-4000-8000-00000000000b","prefix":"hcv-1","name":"hcv","config":{"token":"{vault://env/hcv-token}"}}],
"plugins":[{"id":"0000001b-0000-4000-8000-00000000000b","name":"cors"},{"id":"0000001c-0000-4000-8000-00000000000b","name":"oidc","enabled":false}]}`

// TestVerifyNamesEverything that is wrong, at once.
func TestVerifyNamesEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := &buckettest.Memory{}
		put(t, memory, key, badTable, map[string]string{"blackout-hash": "0123456789abcdef0123456789abcdef"})
		v, err := storage(memory).Verify(t.Context(), verifying)
		if err != nil || v.Bootable {
			t.Fatalf("%+v, %v", v, err)
		}
		golden(t, "verify-bad", v)
	})
}

// TestVerifyObject: what is wrong with the object as such.
func TestVerifyObject(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	packer := gzip.NewWriter(&packed)
	if _, err := packer.Write([]byte(badTable)); err != nil || packer.Close() != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body     string
		metadata map[string]string
		says     string
	}{
		"empty":           {"", nil, "it is empty"},
		"no entities":     {"{}", nil, "holds no entities"},
		"torn":            {badTable[:200], nil, "not one complete JSON"},
		"foreign":         {`{"_format_version":"1.1","services":[]}`, nil, "_format_version"},
		"flipped bit":     {badTable, map[string]string{"blackout-sha256": strings.Repeat("0", 64)}, "SHA-256"},
		"gzip, but wrong": {packed.String(), nil, "services.1 (orders): port"},
		"changed by hand": {badTable, map[string]string{"blackout-hash": "0"}, "changed the object"},
	} {
		memory := &buckettest.Memory{}
		put(t, memory, key, c.body, c.metadata)
		v, err := storage(memory).Verify(t.Context(), verifying)
		if err != nil || v.Bootable || !strings.Contains(fmt.Sprint(v.Problems), c.says) {
			t.Errorf("%s: %+v, %v; want %q", name, v.Problems, err, c.says)
		}
		if gets := strings.Count(strings.Join(memory.Calls(), "\n"), "get "); gets != 1 {
			t.Errorf("%s: read %d times", name, gets)
		}
	}
}

func TestVerifyOtherVersionOnly(t *testing.T) {
	t.Parallel()
	s, memory := seeded(t, declared)
	v, err := s.Verify(t.Context(), operator.VerifyOptions{Version: "3.9.2"})
	var out bytes.Buffer
	if err != nil || v.Bootable || v.Text(&out) != nil || !strings.Contains(out.String(), "the bucket has snapshots of 3.9.1") {
		t.Errorf("%+v, %v\n%s", v, err, out.String())
	}
	memory.Before = func(_ context.Context, call buckettest.Call) error {
		if call.Kind == "list" {
			return bucket.ErrDenied
		}
		return nil
	}
	if v, err = s.Verify(t.Context(), operator.VerifyOptions{Version: "3.9.2"}); err != nil || v.Bootable || !strings.Contains(v.Problems[0].Reason, bucket.ErrNotFound.Error()) {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestVerifyStore: a store that does not answer says nothing about the snapshot.
func TestVerifyStore(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{bucket.ErrDenied, bucket.ErrUnavailable, bucket.ErrIncomplete, context.Canceled} {
		memory := &buckettest.Memory{Before: func(context.Context, buckettest.Call) error { return failure }}
		if _, err := storage(memory).Verify(t.Context(), verifying); !errors.Is(err, failure) {
			t.Errorf("%v: got %v", failure, err)
		}
	}
	for _, version := range []string{"", "3/9", "..", "3 9"} {
		if _, err := storage(&buckettest.Memory{}).Verify(t.Context(), operator.VerifyOptions{Version: version}); !errors.Is(err, operator.ErrInput) {
			t.Errorf("version %q: got %v", version, err)
		}
	}
}

// TestVerifyBuilds: what is valid by its schema and cannot be built is found too, every
// row of it; a data plane of Kong may be able to.
func TestVerifyBuilds(t *testing.T) {
	t.Parallel()
	const table = `{"_format_version":"3.0","services":[{"id":"00000001-0000-4000-8000-000000000001","name":"s","host":"a.example"}],
"routes":[{"id":"0000000b-0000-4000-8000-00000000000b","name":"good","paths":["/a"],"service":"00000001-0000-4000-8000-000000000001"}],
"upstreams":[{"id":"0000000c-0000-4000-8000-00000000000b","name":"plain.example"},
 {"id":"0000000d-0000-4000-8000-00000000000b","name":"one.example","use_srv_name":true},
 {"id":"0000000e-0000-4000-8000-00000000000b","name":"two.example","use_srv_name":true}],
"targets":[{"id":"0000000f-0000-4000-8000-00000000000b","upstream":"0000000d-0000-4000-8000-00000000000b","target":"10.0.0.1:80"}],
"plugins":[{"id":"0000001a-0000-4000-8000-00000000000b","name":"cors"},
 {"id":"0000001b-0000-4000-8000-00000000000b","name":"rate-limiting","config":{"minute":5,"policy":"redis","redis":{"host":"r.example"}}}]}`
	memory := &buckettest.Memory{}
	put(t, memory, key, table, nil)
	v, err := storage(memory).Verify(t.Context(), verifying)
	if err != nil || v.Bootable {
		t.Fatalf("%+v, %v", v, err)
	}
	found := fmt.Sprint(v.Problems)
	for _, want := range []string{"plugins.1 (cors)", "plugins.2 (rate-limiting): plugin 'rate-limiting': config.policy", "upstreams.2 (one.example): use_srv_name", "upstreams.3 (two.example): use_srv_name"} {
		if !strings.Contains(found, want) {
			t.Errorf("found %s, without %q", found, want)
		}
	}
	if len(v.Problems) != 4 {
		t.Errorf("found %d problems: %s", len(v.Problems), found)
	}
	v, err = storage(memory).Verify(t.Context(), operator.VerifyOptions{Version: version, Gateway: operator.Kong})
	if err != nil || !v.Bootable || len(v.Warnings) != 1 || v.Sound() {
		t.Errorf("for Kong: %+v, %v", v, err)
	}
}

// certificate is a self-signed one, and its key.
func certificate(t *testing.T, name string, end time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: end,
		NotBefore: end.Add(-1000 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
}

// TestVerifyNamesExpiringCertificates with their days, and boots all the same.
func TestVerifyNamesExpiringCertificates(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Second)
	day := 24 * time.Hour
	soon, soonKey := certificate(t, "soon", now.Add(12*day+time.Hour))
	late, lateKey := certificate(t, "late", now.Add(400*day))
	past, _ := certificate(t, "past", now.Add(-3*day-time.Hour))
	table, err := json.Marshal(map[string]any{"_format_version": "3.0",
		"certificates": []any{
			map[string]any{"id": "00000001-0000-4000-8000-000000000001", "cert": late, "key": lateKey},
			map[string]any{"id": "00000002-0000-4000-8000-000000000002", "cert": soon, "key": soonKey},
		},
		"snis":            []any{map[string]any{"id": "00000003-0000-4000-8000-000000000003", "name": "a.example", "certificate": "00000002-0000-4000-8000-000000000002"}},
		"ca_certificates": []any{map[string]any{"id": "00000004-0000-4000-8000-000000000004", "cert": past}}})
	if err != nil {
		t.Fatal(err)
	}
	memory := &buckettest.Memory{}
	put(t, memory, key, string(table), nil)
	s := storage(memory)
	s.Now = func() time.Time { return now }
	v, err := s.Verify(t.Context(), verifying)
	if err != nil || !v.Bootable || v.Sound() || len(v.Certificates) != 2 {
		t.Fatalf("%+v, %v", v, err)
	}
	for i, want := range []string{
		"ca_certificates.1 (00000004-0000-4000-8000-000000000004): cert: CN=past expired 3 days ago",
		"certificates.2 (00000002-0000-4000-8000-000000000002): cert: CN=soon for a.example expires in 12 days",
	} {
		if got := v.Certificates[i].String(); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if v, err = s.Verify(t.Context(), operator.VerifyOptions{Version: version, Expiring: 10 * day}); err != nil || len(v.Certificates) != 1 {
		t.Errorf("within ten days: %+v, %v", v.Certificates, err)
	}
	if text, err := json.Marshal(v); err != nil || strings.Contains(string(text), "PRIVATE KEY") {
		t.Error("a private key is told")
	}
}
