// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"blackout/internal/fallback/bucket"
)

func TestOpenRefusesHalfAnEnvironment(t *testing.T) {
	t.Parallel()
	full := map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_CONFIG_STORAGE_ENDPOINT": "https://store:9000/"}
	const none = "-"
	tests := []struct {
		name string
		set  []string // name, value
		want string   // in the error; none: it opens
	}{
		{"full", nil, none},
		{"no secret", []string{"AWS_SECRET_ACCESS_KEY", ""}, "only one of AWS_ACCESS_KEY_ID and"},
		{"no access key", []string{"AWS_ACCESS_KEY_ID", ""}, "only one of AWS_ACCESS_KEY_ID and"},
		{"endpoint without scheme", []string{"AWS_CONFIG_STORAGE_ENDPOINT", "store:9000"}, "AWS_CONFIG_STORAGE_ENDPOINT is not"},
		{"endpoint with credentials", []string{"AWS_CONFIG_STORAGE_ENDPOINT", "http://me:s3cret@store"}, "AWS_CONFIG_STORAGE_ENDPOINT is not"},
		{"endpoint with path", []string{"AWS_CONFIG_STORAGE_ENDPOINT", "http://store/path"}, "AWS_CONFIG_STORAGE_ENDPOINT is not"},
		{"AWS itself", []string{"AWS_CONFIG_STORAGE_ENDPOINT", ""}, none},
		{"endpoint without credentials", []string{"AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", ""}, "set without credentials"},
		{"AWS by a private endpoint without credentials", []string{"AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "", "AWS_CONFIG_STORAGE_ENDPOINT", "https://bucket.vpce-1a2b-3c4d.s3.eu-west-1.vpce.amazonaws.com"}, none},
		{"what only looks like AWS, without credentials", []string{"AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "", "AWS_CONFIG_STORAGE_ENDPOINT", "https://amazonaws.com.example:443"}, "set without credentials"},
		{"AWS without credentials", []string{"AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "", "AWS_CONFIG_STORAGE_ENDPOINT", ""}, none},
		{"no metadata service", []string{"AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "", "AWS_CONFIG_STORAGE_ENDPOINT", "", "AWS_EC2_METADATA_DISABLED", "true"}, "AWS_EC2_METADATA_DISABLED"},
		{"endpoint with a role", []string{"AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "", "AWS_ROLE_ARN", "r", "AWS_WEB_IDENTITY_TOKEN_FILE", "f"}, none},
		{"token without a role", []string{"AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "", "AWS_WEB_IDENTITY_TOKEN_FILE", "f"}, "without AWS_ROLE_ARN"},
		{"agent anywhere", []string{"AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/"}, "leads to 192.0.2.1 without https"},
		{"agent that is no URL", []string{"AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "x"}, "is not a URL"},
		{"agent of EKS", []string{"AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"}, none},
		{"missing CA bundle", []string{"AWS_CA_BUNDLE", "/nowhere/ca.pem"}, "AWS_CA_BUNDLE: open /nowhere/ca.pem"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			values := map[string]string{}
			for name, value := range full {
				values[name] = value
			}
			opened, err := Open(Options{Bucket: "backup", Getenv: with(values, test.set...)})
			if (err == nil) != (test.want == none) || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Error("the secret is in the error")
			}
			if opened != nil {
				opened.Close()
			}
		})
	}
}

// signer answers every request with an empty list, and remembers how the last one
// was signed.
type signer struct{ authorization, token atomic.Value }

func (s *signer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.authorization.Store(r.Header.Get("Authorization"))
	s.token.Store(r.Header.Get("X-Amz-Security-Token"))
	fmt.Fprint(w, "<ListBucketResult></ListBucketResult>")
}

func (s *signer) expect(t *testing.T, access, token string) {
	t.Helper()
	if !strings.Contains(fmt.Sprint(s.authorization.Load()), "Credential="+access+"/") || s.token.Load() != token {
		t.Errorf("signed as %v with token %v, want %s with %s", s.authorization.Load(), s.token.Load(), access, token)
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const agentAnswer = `{"Code":"Success","AccessKeyId":"role-key-%d","SecretAccessKey":"role-secret","Token":"role-token","Expiration":"2099-01-01T00:00:00Z"}`

// TestRoles: the ways to credentials that the environment does not hold.
func TestRoles(t *testing.T) {
	t.Parallel()
	var answers atomic.Int64 // the number of the credentials given last
	var denied atomic.Bool
	roles := http.NewServeMux()
	give := func(w http.ResponseWriter, ok bool) {
		if !ok || denied.Load() {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, agentAnswer, answers.Add(1))
	}
	roles.HandleFunc("GET /agent", func(w http.ResponseWriter, r *http.Request) {
		give(w, r.Header.Get("Authorization") == "agent-token")
	})
	roles.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "imds-token") })
	roles.HandleFunc("GET /latest/meta-data/iam/security-credentials/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "node") })
	roles.HandleFunc("GET /latest/meta-data/iam/security-credentials/node", func(w http.ResponseWriter, r *http.Request) {
		give(w, r.Header.Get("X-Aws-Ec2-Metadata-Token") == "imds-token")
	})
	roles.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("Action") != "AssumeRoleWithWebIdentity" || r.FormValue("WebIdentityToken") != "identity" || r.FormValue("RoleArn") != "arn:aws:iam::1:role/node" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>
			<AccessKeyId>role-key-%d</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken>
			<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, answers.Add(1))
	})
	server := httptest.NewServer(roles)
	t.Cleanup(server.Close)
	for name, environment := range map[string][]string{
		"container":            {"AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL + "/agent", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "agent-token"},
		"container token file": {"AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL + "/agent", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", writeFile(t, "agent-token\n")},
		"web identity":         {"AWS_WEB_IDENTITY_TOKEN_FILE", writeFile(t, "identity"), "AWS_ROLE_ARN", "arn:aws:iam::1:role/node", "AWS_ENDPOINT_URL_STS", server.URL},
	} {
		t.Run(name, func(t *testing.T) {
			store := &signer{}
			endpoint, _ := serve(t, store)
			opened := openBucket(t, Options{Getenv: with(map[string]string{"AWS_CONFIG_STORAGE_ENDPOINT": endpoint}, environment...)})
			before := answers.Load()
			for range 3 {
				if _, _, err := opened.List(t.Context(), "p/", 100); err != nil {
					t.Fatal(err)
				}
			}
			store.expect(t, fmt.Sprintf("role-key-%d", before+1), "role-token")
			opened.credentials.Expire() // as an answer ExpiredToken does
			if _, _, err := opened.List(t.Context(), "p/", 100); err != nil {
				t.Fatal(err)
			}
			store.expect(t, fmt.Sprintf("role-key-%d", before+2), "role-token")
		})
	}
	t.Run("instance", func(t *testing.T) {
		opened := openBucket(t, Options{Getenv: with(map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.URL + "/"})})
		value, err := opened.credentials.GetWithContext(nil)
		if err != nil || value.SessionToken != "role-token" {
			t.Errorf("credentials of %q, %v", value.AccessKeyID, err)
		}
	})
	t.Run("denied", func(t *testing.T) {
		denied.Store(true)
		opened := openBucket(t, Options{Getenv: with(map[string]string{"AWS_CONFIG_STORAGE_ENDPOINT": "http://127.0.0.1:1/",
			"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.URL + "/agent", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "agent-token"})})
		_, err := opened.Get(t.Context(), testKey, 1)
		if !errors.Is(err, bucket.ErrUnavailable) || !strings.Contains(err.Error(), "no credentials from the container agent: it answers 403; see whether") || strings.Contains(err.Error(), "agent-token") {
			t.Errorf("error %v", err)
		}
	})
}

// TestExpiredTokenIsReplaced: a role's credentials that the store calls expired are
// not used again.
func TestExpiredTokenIsReplaced(t *testing.T) {
	t.Parallel()
	var given atomic.Int64
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, agentAnswer, given.Add(1)) }))
	t.Cleanup(agent.Close)
	endpoint, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), "Credential=role-key-1/") {
			refusal{status: 400, code: "ExpiredToken"}.ServeHTTP(w, r)
		}
	}))
	opened := openBucket(t, Options{Getenv: with(map[string]string{"AWS_CONFIG_STORAGE_ENDPOINT": endpoint, "AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.URL})})
	_, err := opened.Put(t.Context(), testKey, bucket.BodyOf([]byte("x")), bucket.PutOptions{})
	if !errors.Is(err, bucket.ErrDenied) || !strings.Contains(err.Error(), "new ones are asked for with the next request") {
		t.Errorf("the first: %v", err)
	}
	if _, err := opened.Put(t.Context(), testKey, bucket.BodyOf([]byte("x")), bucket.PutOptions{}); err != nil {
		t.Errorf("the second: %v", err)
	}
}

// TestOffTheCloud: where the metadata service's address leads nowhere, a request
// fails soon, and names the last place that was asked.
func TestOffTheCloud(t *testing.T) {
	t.Parallel()
	hole := blackHole(t)
	opened := openBucket(t, Options{Getenv: with(map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://" + hole})})
	began := time.Now()
	_, err := opened.Get(t.Context(), testKey, 1)
	if took := time.Since(began); took < metadataTimeout || took > 2*metadataTimeout+10*time.Second {
		t.Errorf("it took %s", took)
	}
	if !errors.Is(err, bucket.ErrUnavailable) || !strings.Contains(err.Error(), "no credentials from the instance metadata service") || !strings.Contains(err.Error(), "set AWS_ACCESS_KEY_ID") {
		t.Errorf("error %v", err)
	}
	expectFit(t, err, "get s3://backup/")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began = time.Now()
	if _, err := opened.Get(ctx, testKey, 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) >= 2*metadataTimeout {
		t.Errorf("with a deadline, after %s: %v", time.Since(began), err)
	}
}

// blackHole is an address where connections are made, by the kernel, and nothing is
// ever read or answered: to a client the same as one whose packets are dropped.
func blackHole(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

// TestAgentIsNotTold: who knows the path of an agent's address may ask for the
// credentials, so that no error may tell it.
func TestAgentIsNotTold(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, address := range []string{gone.URL + "/v2/credentials/s3cret", gone.URL + "/?key=s3cret", strings.Replace(gone.URL, "://", "://s3cret@", 1)} {
		opened := openBucket(t, Options{Getenv: with(map[string]string{"AWS_CONFIG_STORAGE_ENDPOINT": "http://127.0.0.1:1/", "AWS_CONTAINER_CREDENTIALS_FULL_URI": address})})
		_, err := opened.Get(t.Context(), testKey, 1)
		if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "no credentials from the container agent: "+gone.URL+": dial tcp") {
			t.Errorf("%s: error %v", address, err)
		}
	}
}

// TestAgentDoesNotRedirect: its token goes to nobody else, and nobody else gives
// credentials.
func TestAgentDoesNotRedirect(t *testing.T) {
	t.Parallel()
	var asked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Store(true)
		fmt.Fprintf(w, agentAnswer, 1)
	}))
	t.Cleanup(other.Close)
	agent := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(agent.Close)
	opened := openBucket(t, Options{Getenv: with(map[string]string{"AWS_CONFIG_STORAGE_ENDPOINT": "http://127.0.0.1:1/", "AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.URL})})
	if _, err := opened.Get(t.Context(), testKey, 1); err == nil || !strings.Contains(err.Error(), "it answers 307") || asked.Load() {
		t.Errorf("asked elsewhere: %v, error %v", asked.Load(), err)
	}
}
