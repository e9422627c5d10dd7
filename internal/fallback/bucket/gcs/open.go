// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Options say which bucket to open, and how.
type Options struct {
	Bucket string
	Getenv func(name string) string // the environment; os.Getenv outside tests
}

const storageURL = "https://storage.googleapis.com"

// productFile is where Linux tells a machine's maker.
const productFile = "/sys/class/dmi/id/product_name"

// Open opens a bucket. It sends no request. The environment is read as Kong
// documents it: GCP_SERVICE_ACCOUNT is the JSON text of a service account's key.
// Without it the machine's own identity is used (workload identity), but only on
// Google's cloud, so that no other machine waits for a metadata server that is not
// there: the machine's maker is Google, or GCE_METADATA_HOST names the server.
//
// STORAGE_EMULATOR_HOST, the address or URL of an emulator, is read as Google's
// own clients do: requests go there, and without a key they carry no token.
func Open(options Options) (*Bucket, error) {
	return open(options, productFile)
}

func open(options Options, productFile string) (*Bucket, error) {
	endpoint, emulated, err := endpoint(options.Getenv)
	if err != nil {
		return nil, err
	}
	b := &Bucket{name: options.Bucket, endpoint: endpoint, transport: newTransport()}
	b.client = &http.Client{Transport: b.transport, CheckRedirect: noRedirect}
	switch key := options.Getenv("GCP_SERVICE_ACCOUNT"); {
	case key != "":
		account, err := parseServiceAccount(key, emulated)
		if err != nil {
			return nil, err
		}
		account.transport = b.transport
		b.tokens = newTokens(account.fetch)
	case emulated:
	case options.Getenv("GCE_METADATA_HOST") != "":
		b.tokens = newTokens(workload{host: options.Getenv("GCE_METADATA_HOST")}.fetch)
	case onGoogle(productFile):
		b.tokens = newTokens(workload{host: "169.254.169.254"}.fetch)
	default:
		return nil, errors.New("GCP_SERVICE_ACCOUNT is not set, and this machine is not known to be on Google's cloud; " +
			"set it to the JSON text of a service account's key, or GCE_METADATA_HOST to metadata.google.internal to use the workload identity")
	}
	return b, nil
}

// endpoint is the URL of the store, and whether it is an emulator.
func endpoint(getenv func(string) string) (string, bool, error) {
	emulator := getenv("STORAGE_EMULATOR_HOST")
	if emulator == "" {
		return storageURL, false, nil
	}
	if !strings.Contains(emulator, "://") {
		emulator = "http://" + emulator
	}
	u, err := url.Parse(emulator)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || (u.Path != "" && u.Path != "/") || u.RawQuery != "" {
		return "", false, errors.New("STORAGE_EMULATOR_HOST is not an emulator's address; write <host>:<port> or http(s)://<host>:<port>")
	}
	return u.Scheme + "://" + u.Host, true, nil
}

// onGoogle tells whether the machine was made by Google, which takes no request.
func onGoogle(productFile string) bool {
	// Where it cannot be read, it is not known: Open says what to do.
	product, _ := os.ReadFile(productFile)
	return strings.HasPrefix(string(product), "Google")
}

// newTransport makes a connection per request: requests are rare, and a kept
// connection that died in an outage would cost the only attempt. HTTP/2 would put
// those that are under way at the same time on one connection, which ends with the
// first of them. Transparent decompression would hide the object's real length.
func newTransport() *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12} // one that was cloned may offer HTTP/2
	transport.DisableCompression = true
	transport.ResponseHeaderTimeout = 30 * time.Second
	return transport
}

// noRedirect makes a redirection the answer: neither the store nor who gives out
// tokens redirects, and a token must not go elsewhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
