// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"blackout/internal/fallback/bucket"
)

// authority gives out tokens for assertions that one service account signed.
type authority struct {
	*httptest.Server
	account string // the key's JSON text
	key     *rsa.PrivateKey
	life    atomic.Int64 // of a token, in seconds
	given   atomic.Int32
	refuse  atomic.Bool
}

const accountEmail = "backup@project.iam.gserviceaccount.com"

// testKey makes one key for all tests: it takes a while.
var testKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key}
	a.life.Store(3600)
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	a.account = accountJSON(t, key, a.URL+"/token")
	return a
}

func accountJSON(t *testing.T, key *rsa.PrivateKey, tokenURI string) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"type": "service_account", "client_email": accountEmail, "private_key_id": "key-1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": tokenURI})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// token is the n-th that it gives out, from 1.
func token(n int32) string { return fmt.Sprintf("token-%d", n) }

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.refuse.Load() {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant","error_description":"Invalid JWT: hunter2"}`)
		return
	}
	if err := a.check(r.FormValue("grant_type"), r.FormValue("assertion")); err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":%q,"expires_in":%d,"token_type":"Bearer"}`, token(a.given.Add(1)), a.life.Load())
}

// check verifies an assertion: RFC 7523, and what Google's documentation asks for.
func (a *authority) check(grant, assertion string) error {
	parts := strings.Split(assertion, ".")
	if grant != "urn:ietf:params:oauth:grant-type:jwt-bearer" || len(parts) != 3 {
		return fmt.Errorf("grant %q of %d parts", grant, len(parts))
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&a.key.PublicKey, crypto.SHA256, digest[:], signature); err != nil {
		return err
	}
	var head struct{ Alg, Kid string }
	var claims struct {
		Iss, Aud, Scope string
		Iat, Exp        int64
	}
	for i, into := range []any{&head, &claims} {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, into); err != nil {
			return err
		}
	}
	now := time.Now().Unix()
	if head.Alg != "RS256" || head.Kid != "key-1" || claims.Iss != accountEmail || claims.Aud != a.URL+"/token" ||
		claims.Scope != "https://www.googleapis.com/auth/devstorage.read_write" || claims.Iat > now || claims.Exp <= now || claims.Exp > now+3600 {
		return fmt.Errorf("head %+v, claims %+v", head, claims)
	}
	return nil
}

func TestAServiceAccountsTokenReachesTheStore(t *testing.T) {
	t.Parallel()
	store, authority := newFakeStore(t), newAuthority(t)
	store.require(token(1))
	opened := openAt(t, store.URL, "GCP_SERVICE_ACCOUNT", authority.account)
	if _, err := opened.Put(t.Context(), "k", bucket.BodyOf([]byte(table)), bucket.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := opened.Get(t.Context(), "k", 1000); err != nil {
		t.Error(err)
	}
	if given := authority.given.Load(); given != 1 {
		t.Errorf("two calls took %d tokens", given)
	}
	if _, err := openAt(t, store.URL).Get(t.Context(), "k", 1000); !errors.Is(err, bucket.ErrDenied) {
		t.Errorf("without a token: %v", err)
	}
}

func TestAnotherAccountsKeyGetsNoToken(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	opened := openAt(t, newFakeStore(t).URL, "GCP_SERVICE_ACCOUNT", accountJSON(t, other, authority.URL+"/token"))
	if _, err := opened.Get(t.Context(), "k", 1000); !errors.Is(err, bucket.ErrDenied) || authority.given.Load() != 0 {
		t.Errorf("error %v, %d tokens", err, authority.given.Load())
	}
}

func TestATokenIsReplacedWhenItIsOldOrRefused(t *testing.T) {
	t.Parallel()
	store, authority := newFakeStore(t), newAuthority(t)
	opened := openAt(t, store.URL, "GCP_SERVICE_ACCOUNT", authority.account)
	head := func() error { _, err := opened.Head(t.Context(), "k"); return err }
	store.require(token(1))
	if err := head(); !errors.Is(err, bucket.ErrNotFound) {
		t.Fatal(err)
	}
	store.require(token(2)) // the first was revoked
	if err := head(); !errors.Is(err, bucket.ErrDenied) {
		t.Errorf("with a revoked token: %v", err)
	}
	if err := head(); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("after it was refused: %v", err)
	}
	authority.life.Store(int64(leeway.Seconds()) / 2)
	store.require(token(3))
	opened.tokens.drop(token(2))
	if err := head(); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("with a token of a short life: %v", err)
	}
	store.require(token(4))
	if err := head(); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("after it ran out: %v", err)
	}
}

func TestWithoutATokenTheStoreIsNotAsked(t *testing.T) {
	t.Parallel()
	store, authority := newFakeStore(t), newAuthority(t)
	opened := openAt(t, store.URL, "GCP_SERVICE_ACCOUNT", authority.account)
	authority.refuse.Store(true)
	_, err := opened.Get(t.Context(), "k", 1000)
	if !errors.Is(err, bucket.ErrDenied) || !strings.Contains(err.Error(), "no access token for GCP_SERVICE_ACCOUNT: invalid_grant (status 400)") ||
		strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
		t.Errorf("refused: %v", err)
	}
	authority.Close()
	if _, err := opened.Get(t.Context(), "k", 1000); !errors.Is(err, bucket.ErrUnavailable) || strings.Contains(err.Error(), "PRIVATE") {
		t.Errorf("unreachable: %v", err)
	}
	if seen := store.seen(); len(seen) != 0 {
		t.Errorf("the store saw %q", seen)
	}
}

func TestAHangingTokenEndpointIsGivenUpWithTheContext(t *testing.T) {
	t.Parallel()
	key, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil { // a server sees that a client is gone only after its body
			t.Error(err)
		}
		arrived <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	opened := openAt(t, "localhost:1", "GCP_SERVICE_ACCOUNT", accountJSON(t, key, server.URL))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := opened.Get(ctx, "k", 1)
		ended <- err
	}()
	<-arrived
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	case <-time.After(10 * time.Second): // the transport's own patience is longer
		t.Error("it still waits")
	}
}

func TestTheWorkloadIdentityIsUsedOnGooglesCloudOnly(t *testing.T) {
	t.Parallel()
	product := filepath.Join(t.TempDir(), "product_name")
	if err := os.WriteFile(product, []byte("Google Compute Engine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bare := Options{Bucket: "backup", Getenv: environment()}
	if opened, err := open(bare, product); err != nil || opened.tokens == nil {
		t.Errorf("on Google's cloud: %v", err)
	}
	if _, err := open(bare, noProduct); err == nil || !strings.Contains(err.Error(), "GCP_SERVICE_ACCOUNT is not set") {
		t.Errorf("elsewhere: %v", err)
	}
	if err := os.WriteFile(product, []byte("Standard PC\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(bare, product); err == nil {
		t.Error("on another maker's machine: accepted")
	}
}

func TestTheMetadataServersTokenReachesTheStore(t *testing.T) {
	t.Parallel()
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata-Flavor") != "Google" || r.URL.Path != "/computeMetadata/v1/instance/service-accounts/default/token" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		fmt.Fprint(w, `{"access_token":"from-the-machine","expires_in":3599,"token_type":"Bearer"}`)
	}))
	defer metadata.Close()
	store := newFakeStore(t)
	store.require("from-the-machine")
	// An emulator needs no token, so the store's address is put in by hand.
	opened, err := open(Options{Bucket: "backup", Getenv: environment("GCE_METADATA_HOST", strings.TrimPrefix(metadata.URL, "http://"))}, noProduct)
	if err != nil {
		t.Fatal(err)
	}
	if opened.endpoint != "https://storage.googleapis.com" {
		t.Errorf("the store is %s", opened.endpoint)
	}
	opened.endpoint = store.URL
	if _, err := opened.Head(t.Context(), "k"); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	metadata.Close()
	opened.tokens.drop("from-the-machine")
	if _, err := opened.Head(t.Context(), "k"); !errors.Is(err, bucket.ErrUnavailable) || !strings.Contains(err.Error(), "metadata server") {
		t.Errorf("without a metadata server: %v", err)
	}
}

func TestOpenRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	key, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	good := accountJSON(t, key, "https://oauth2.example.com/token")
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the key has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	tests := []struct {
		name, variable, value string
		want                  string // part of the error; empty for none
	}{
		{"a key", "GCP_SERVICE_ACCOUNT", good, ""},
		{"a file's name", "GCP_SERVICE_ACCOUNT", "/etc/hunter2.json", "not to the file's name"},
		{"a number", "GCP_SERVICE_ACCOUNT", `{"client_email":5432167}`, "is not JSON"},
		{"a user's credentials", "GCP_SERVICE_ACCOUNT", `{"type":"authorized_user","refresh_token":"hunter2"}`, `"type" is not "service_account"`},
		{"no address", "GCP_SERVICE_ACCOUNT", change(accountEmail, ""), "client_email"},
		{"a cut key", "GCP_SERVICE_ACCOUNT", change("-----END", "-----CUT"), "private_key"},
		{"a token endpoint without TLS", "GCP_SERVICE_ACCOUNT", change("https://", "http://"), "token_uri"},
		{"a token endpoint with credentials", "GCP_SERVICE_ACCOUNT", change("https://", "https://me:hunter2@"), "token_uri"},
		{"an emulator", "STORAGE_EMULATOR_HOST", "localhost:4443", ""},
		{"an emulator's URL", "STORAGE_EMULATOR_HOST", "https://localhost:4443/", ""},
		{"an emulator's path", "STORAGE_EMULATOR_HOST", "http://localhost:4443/storage/v1/", "STORAGE_EMULATOR_HOST"},
		{"an emulator's password", "STORAGE_EMULATOR_HOST", "http://me:hunter2@localhost", "STORAGE_EMULATOR_HOST"},
		{"nothing", "", "", "GCP_SERVICE_ACCOUNT is not set"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			opened, err := open(Options{Bucket: "backup", Getenv: environment(test.variable, test.value)}, noProduct)
			switch {
			case (err == nil) != (test.want == ""), err != nil && !strings.Contains(err.Error(), test.want):
				t.Errorf("error %v, want %q", err, test.want)
			case err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "5432167") || strings.Contains(err.Error(), "\n")):
				t.Errorf("the error repeats what it was given: %q", err)
			}
			if err == nil {
				opened.Close()
			}
		})
	}
}
