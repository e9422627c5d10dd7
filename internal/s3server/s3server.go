// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package s3server is an S3 server for machines without Docker, where no MinIO
// can be started. Its central type is [Server], an http.Handler.
//
// The S3 operations are gofakes3's, over a backend of our own that replaces an
// object by one rename, so that a reader sees the old or the new object whole,
// also when the server is killed. gofakes3 takes any request from anyone;
// in front of it this package verifies AWS Signature Version 4 (headers,
// payload digest, chunk signatures, clock skew) and what the signer may do.
// An object is encrypted where its upload asks for SSE-S3 (AES256), with a key of the
// server's own that lies beside the objects. There is no presigned access, no other
// encryption, no lifecycle or other setting of a bucket, no multipart upload for anyone
// but the root account.
//
//	server, err := s3server.New(s3server.Options{Dir: dir, RootUser: user, RootPassword: password})
//	http.ListenAndServe(address, server)
//
// Next to S3 there are GET /.health, which needs no signature, and, for the
// root account, PUT and DELETE /.accounts/<access key> (see [Account]).
package s3server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// MaxBody is the largest request body taken, in bytes.
const MaxBody = 256 << 20

// Options say where a server keeps its objects and who its root account is.
type Options struct {
	Dir          string // objects and accounts; made if missing
	RootUser     string
	RootPassword string

	Now func() time.Time // nil means time.Now
	Log *slog.Logger     // nil means slog.Default()
}

// Server is the S3 server.
type Server struct {
	s3       http.Handler
	accounts *accounts
	now      func() time.Time
	log      *slog.Logger
}

// New opens the directory, with the buckets, objects and accounts in it.
func New(options Options) (*Server, error) {
	if options.RootUser == "" || len(options.RootPassword) < minSecret {
		return nil, fmt.Errorf("s3 server: the root account needs a name and a password of at least %d characters", minSecret)
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	objects, err := openFiles(filepath.Join(options.Dir, "buckets"))
	if err != nil {
		return nil, fmt.Errorf("s3 server: %w", err)
	}
	if objects.cipher, err = openCipher(filepath.Join(options.Dir, "encryption.key")); err != nil {
		return nil, fmt.Errorf("s3 server: %w", err)
	}
	root := Account{AccessKey: options.RootUser, Secret: options.RootPassword, Rights: Root}
	accounts, err := openAccounts(filepath.Join(options.Dir, "accounts.json"), root)
	if err != nil {
		return nil, fmt.Errorf("s3 server: %w", err)
	}
	s3 := gofakes3.New(objects,
		gofakes3.WithTimeSkewLimit(0), // checked here, together with the signature
		gofakes3.WithTimeSource(clock(options.Now)))
	return &Server{s3: s3.Server(), accounts: accounts, now: options.Now, log: options.Log}, nil
}

// ServeHTTP answers one request. A refused one is logged with its access key.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/.health" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		w.WriteHeader(http.StatusOK)
		return
	}
	account, err := s.admit(w, r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if key, ok := accountPath(r.URL.Path); ok {
		if err := s.administer(w, r, account, key); err != nil {
			s.refuse(w, r, err)
		}
		return
	}
	if asked := r.Header.Get(headerEncryption); asked != "" && r.Method == http.MethodPut {
		w.Header().Set(headerEncryption, asked)
	}
	s.s3.ServeHTTP(w, r)
}

// absent are query parameters that make a request one about a setting. gofakes3 would
// overlook them, and list, create or overwrite instead.
var absent = []string{"acl", "cors", "encryption", "legal-hold", "lifecycle", "logging", "notification", "object-lock", "policy", "replication", "retention",
	"tagging", "website"}

// admit finds out who sent a request and whether they may, and replaces its
// body by the verified payload.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) (Account, error) {
	signature, err := parseAuthorization(r)
	if err != nil {
		return Account{}, err
	}
	account, ok := s.accounts.find(signature.accessKey)
	if !ok {
		return Account{}, fault{http.StatusForbidden, "InvalidAccessKeyId", "The access key is not known here."}
	}
	if err := signature.verify(r, account.Secret, s.now()); err != nil {
		return Account{}, err
	}
	if !account.may(r) {
		return Account{}, accessDenied("The account has no right to this operation.")
	}
	if asked := r.Header.Get(headerEncryption); asked != "" && asked != ownKeys {
		return Account{}, fault{http.StatusNotImplemented, "NotImplemented", "This server encrypts with keys of its own, " + ownKeys + ", alone."}
	}
	for _, name := range absent {
		if r.URL.Query().Has(name) {
			return Account{}, fault{http.StatusNotImplemented, "NotImplemented", "This server has no settings of the kind " + name + "."}
		}
	}
	payload, err := signature.payload(http.MaxBytesReader(w, r.Body, MaxBody), r, account.Secret)
	if err != nil {
		return Account{}, err
	}
	setPayload(r, payload)
	return account, nil
}

// setPayload makes a request carry its verified and decoded payload, as if it
// had come so.
func setPayload(r *http.Request, payload []byte) {
	r.Body = io.NopCloser(bytes.NewReader(payload))
	r.ContentLength = int64(len(payload))
	r.TransferEncoding = nil
	r.Header.Set("Content-Length", strconv.Itoa(len(payload)))
	r.Header.Del("X-Amz-Content-Sha256")
	r.Header.Del("X-Amz-Decoded-Content-Length")
}

// refuse answers a request that is not carried out, once it is there whole: a client
// that is still sending when the connection ends may never see the answer.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, MaxBody)) // what does not come is not missed
	answer := fault{http.StatusInternalServerError, "InternalError", "The server failed; its log says why."}
	if known, ok := errors.AsType[fault](err); ok {
		answer = known
	}
	s.log.Warn("s3 request refused", "method", r.Method, "path", r.URL.Path,
		"access_key", claimedAccessKey(r), "status", answer.status, "error", err)
	answer.write(w, r)
}

// clock is a gofakes3 time source.
type clock func() time.Time

var _ gofakes3.TimeSource = clock(nil)

func (c clock) Now() time.Time                  { return c() }
func (c clock) Since(t time.Time) time.Duration { return c().Sub(t) }

// makeDir makes a directory that only this user can read.
func makeDir(dir string) error { return os.MkdirAll(dir, 0o700) }
