// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// embedded is the server of cmd/store, whose root account manages the others by
// signed requests of its own kind.
type embedded struct {
	*objects
	root aws.Credentials
}

var _ Store = (*embedded)(nil)

// NewEmbedded is the embedded server at endpoint ("host:port", plain HTTP).
func NewEmbedded(endpoint, user, password string) (Store, error) {
	o, err := newObjects(endpoint, user, password, "/.health")
	if err != nil {
		return nil, err
	}
	return &embedded{objects: o, root: aws.Credentials{AccessKeyID: user, SecretAccessKey: password}}, nil
}

// NewAccount implements [Store]. The secrets come from the system's random
// source, not from the run's seed: they must not be known beforehand.
func (e *embedded) NewAccount(ctx context.Context, node, bucket, prefix string, rights Rights) (Account, error) {
	account := Account{Node: node, AccessKey: node + "-" + rand.Text()[:8], SecretKey: rand.Text()}
	body, err := json.Marshal(map[string]string{
		"secret": account.SecretKey, "bucket": bucket, "prefix": prefix, "rights": rights.String(),
	})
	if err == nil {
		err = e.putAccount(ctx, account.AccessKey, body)
	}
	if err != nil {
		return Account{}, fmt.Errorf("make account for %s: %w", node, err)
	}
	return account, nil
}

func (e *embedded) putAccount(ctx context.Context, accessKey string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+e.endpoint+"/.accounts/"+accessKey, bytes.NewReader(body))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	request.Header.Set("X-Amz-Content-Sha256", digest)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(ctx, e.root, request, digest, "s3", Region, time.Now()); err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	response, err := e.transport.RoundTrip(request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusNoContent {
		err = fmt.Errorf("the store answered with status %d", response.StatusCode)
	}
	return errors.Join(err, response.Body.Close())
}
