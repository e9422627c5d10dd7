// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package buckettest

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"blackout/internal/fallback/bucket"
)

// TestSharesNoConnection writes many objects at the same time to a store that offers
// HTTP/2, which would put them on one connection that ends with the first of them. The
// store looks at what it is spoken to by. open opens the bucket, with its transport.
func TestSharesNoConnection(t *testing.T, store *httptest.Server, open func() (bucket.Bucket, *http.Transport)) {
	t.Helper()
	readyHTTP2(t, store.URL)
	opened, transport := open()
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AddCert(store.Certificate())
	const together = 20
	var puts sync.WaitGroup
	for i := range together {
		puts.Go(func() {
			if _, err := opened.Put(t.Context(), fmt.Sprint(i), bucket.BodyOf([]byte("{}")), bucket.PutOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	puts.Wait()
}

// readyHTTP2 makes Go's default transport, of which buckets' are clones, offer HTTP/2, as
// its first use in a process does.
func readyHTTP2(t *testing.T, address string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
		_ = response.Body.Close() // nobody reads it
		t.Error("an unknown authority is trusted")
	}
}
