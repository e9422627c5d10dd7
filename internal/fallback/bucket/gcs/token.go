// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"blackout/internal/fallback/bucket"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"
)

// scope is what a token is asked for: objects may be read and written, buckets and
// their policies stay as they are.
const scope = "https://www.googleapis.com/auth/devstorage.read_write"

// leeway is how long a token must still be good when a request begins.
const leeway = time.Minute

// tokens keeps an access token for as long as it is good.
type tokens struct {
	fetch func(ctx context.Context) (*oauth2.Token, error)
	lock  chan struct{} // holds one token of its own while held is in use: a wait for it ends with the context
	held  *oauth2.Token
}

func newTokens(fetch func(context.Context) (*oauth2.Token, error)) *tokens {
	return &tokens{fetch: fetch, lock: make(chan struct{}, 1)}
}

// get is an access token, from who gives them out if none is held.
func (t *tokens) get(ctx context.Context) (string, error) {
	select {
	case t.lock <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-t.lock }()
	if t.held != nil && (t.held.Expiry.IsZero() || time.Until(t.held.Expiry) > leeway) {
		return t.held.AccessToken, nil
	}
	t.held = nil
	token, err := t.fetch(ctx)
	if err != nil {
		return "", err
	}
	if token.AccessToken == "" {
		return "", fmt.Errorf("%w: who gives out access tokens gave none", bucket.ErrUnavailable)
	}
	t.held = token
	return token.AccessToken, nil
}

// drop forgets a token that the store did not take. It waits for nobody: who holds
// the lock may be about to replace it.
func (t *tokens) drop(token string) {
	select {
	case t.lock <- struct{}{}:
	default:
		return
	}
	defer func() { <-t.lock }()
	if t.held != nil && t.held.AccessToken == token {
		t.held = nil
	}
}

// serviceAccount gets tokens for a key in GCP_SERVICE_ACCOUNT.
type serviceAccount struct {
	config    jwt.Config
	transport http.RoundTripper
}

// parseServiceAccount parses a key. Its errors quote nothing of it. A token
// endpoint without TLS, to which anybody could answer, is for emulators only.
func parseServiceAccount(text string, emulated bool) (serviceAccount, error) {
	var key struct {
		Type       string `json:"type"`
		Email      string `json:"client_email"`
		PrivateKey string `json:"private_key"`
		KeyID      string `json:"private_key_id"`
		TokenURI   string `json:"token_uri"`
	}
	if err := json.Unmarshal([]byte(text), &key); err != nil {
		return serviceAccount{}, errors.New("GCP_SERVICE_ACCOUNT is not JSON; set it to the text of a service account's key file, not to the file's name")
	}
	if key.Type != "service_account" {
		return serviceAccount{}, errors.New(`GCP_SERVICE_ACCOUNT is not a service account's key: its "type" is not "service_account"`)
	}
	if key.Email == "" || !isPrivateKey(key.PrivateKey) {
		return serviceAccount{}, errors.New(`GCP_SERVICE_ACCOUNT has no "client_email", or no RSA key in PEM as "private_key"; take the key file as Google gave it`)
	}
	endpoint, err := url.Parse(key.TokenURI)
	if err != nil || endpoint.Host == "" || endpoint.User != nil || (endpoint.Scheme != "https" && (endpoint.Scheme != "http" || !emulated)) {
		return serviceAccount{}, errors.New(`GCP_SERVICE_ACCOUNT has no https URL as "token_uri"; take the key file as Google gave it`)
	}
	return serviceAccount{config: jwt.Config{
		Email: key.Email, PrivateKey: []byte(key.PrivateKey), PrivateKeyID: key.KeyID, Scopes: []string{scope}, TokenURL: key.TokenURI}}, nil
}

func isPrivateKey(text string) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		_, isRSA := key.(*rsa.PrivateKey)
		return isRSA
	}
	_, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	return err == nil
}

// fetch trades a signed assertion for a token.
func (a serviceAccount) fetch(ctx context.Context) (*oauth2.Token, error) {
	client := &http.Client{Transport: boundTo{ctx: ctx, next: a.transport}, CheckRedirect: noRedirect}
	token, err := a.config.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, client)).Token()
	if err == nil {
		return token, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return nil, fmt.Errorf("%w: no access token from %s: %w", bucket.ErrUnavailable, a.config.TokenURL, unwrapURL(err))
	}
	return nil, refusedToken(refused.Response.StatusCode, refused.Body, "GCP_SERVICE_ACCOUNT")
}

// refusedToken is the error of an answer without a token. Its text is not quoted:
// it may repeat what was sent.
func refusedToken(status int, body []byte, which string) error {
	if status/100 == 4 && status != http.StatusTooManyRequests {
		return fmt.Errorf("%w: no access token for %s: %s (status %d)", bucket.ErrDenied, which, errorCode(body), status)
	}
	return fmt.Errorf("%w: no access token for %s: %s (status %d)", bucket.ErrUnavailable, which, errorCode(body), status)
}

// boundTo gives requests a context: package jwt makes them without one.
type boundTo struct {
	ctx  context.Context
	next http.RoundTripper
}

func (b boundTo) RoundTrip(request *http.Request) (*http.Response, error) {
	return b.next.RoundTrip(request.WithContext(b.ctx))
}

// workload gets tokens for the machine's own identity.
type workload struct{ host string }

// metadataPatience bounds a request to the metadata server, which is on the
// machine or next to it. On a new Kubernetes pod it takes its time.
const metadataPatience = 10 * time.Second

func (w workload) fetch(ctx context.Context) (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataPatience)
	defer cancel()
	address := "http://" + w.host + "/computeMetadata/v1/instance/service-accounts/default/token"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("GCE_METADATA_HOST: %w", unwrapURL(err))
	}
	request.Header.Set("Metadata-Flavor", "Google")
	response, err := metadataClient().Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: no access token from the metadata server %s: %w", bucket.ErrUnavailable, w.host, unwrapURL(err))
	}
	defer response.Body.Close() // it was read to its end or is given up
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("%w: the metadata server's answer broke off: %w", bucket.ErrUnavailable, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, refusedToken(response.StatusCode, body, "the workload identity")
	}
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"` // seconds
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("%w: the metadata server's answer is not a token", bucket.ErrUnavailable)
	}
	return &oauth2.Token{AccessToken: answer.AccessToken, Expiry: time.Now().Add(time.Duration(answer.ExpiresIn) * time.Second)}, nil
}

// metadataClient knows no proxy: the metadata server is never behind one, and a
// token must not pass through it.
func metadataClient() *http.Client {
	return &http.Client{CheckRedirect: noRedirect, Transport: &http.Transport{
		DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext, DisableKeepAlives: true}}
}

// unwrapURL is an error without the URL that the HTTP client repeats.
func unwrapURL(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}
