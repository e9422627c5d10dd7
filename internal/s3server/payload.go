// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The values of x-amz-content-sha256 that are not a digest.
const (
	unsignedPayload  = "UNSIGNED-PAYLOAD"
	streamingPayload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
)

// maxChunk is the largest chunk of a streaming payload taken, in bytes. Clients
// use 64 KiB.
const maxChunk = 16 << 20

// payload reads a request's body and verifies it as x-amz-content-sha256 says.
func (s signature) payload(body io.Reader, r *http.Request, secret string) ([]byte, error) {
	var data []byte
	var err error
	kind := r.Header.Get("X-Amz-Content-Sha256")
	switch {
	case kind == unsignedPayload:
		data, err = io.ReadAll(body)
	case kind == streamingPayload:
		data, err = readChunks(r.Context(), body, s.chunkSigner(secret))
	case strings.HasPrefix(kind, "STREAMING-"):
		err = fault{http.StatusNotImplemented, "NotImplemented", "This server does not take " + kind + "."}
	default:
		data, err = readDigested(body, kind)
	}
	if err != nil {
		return nil, bodyFault(err)
	}
	return data, checkHeaders(r, data)
}

// bodyFault turns a failed read into S3's answer to it.
func bodyFault(err error) error {
	if _, ok := errors.AsType[fault](err); ok {
		return err
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return badRequest("EntityTooLarge", fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit))
	}
	return badRequest("IncompleteBody", "The body ended early or is malformed.")
}

func readDigested(body io.Reader, digest string) ([]byte, error) {
	want, err := hex.DecodeString(digest)
	if err != nil || len(want) != sha256.Size {
		return nil, badRequest("InvalidDigest", "The header x-amz-content-sha256 is not a SHA-256 digest.")
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	if got := sha256.Sum256(data); !bytes.Equal(got[:], want) {
		return nil, badRequest("XAmzContentSHA256Mismatch", "The body does not have the digest that was signed.")
	}
	return data, nil
}

// checkHeaders compares a payload with the other things a request says of it.
func checkHeaders(r *http.Request, data []byte) error {
	if want := r.Header.Get("X-Amz-Decoded-Content-Length"); want != "" && want != strconv.Itoa(len(data)) {
		return badRequest("IncompleteBody", "The payload does not have the length that was announced.")
	}
	if want := r.Header.Get("X-Amz-Checksum-Sha256"); want != "" {
		sum := sha256.Sum256(data)
		if base64.StdEncoding.EncodeToString(sum[:]) != want {
			return badRequest("BadDigest", "The payload does not have the checksum that was announced.")
		}
	}
	return nil
}

// chunkSigner computes the signature of the next chunk, each of which covers
// the one before it.
type chunkSigner func(ctx context.Context, chunk []byte) ([]byte, error)

// chunkSigner starts the chain at the request's own signature. S3's chunks are
// signed like the SDK's event streams with empty headers.
func (s signature) chunkSigner(secret string) chunkSigner {
	credentials := aws.Credentials{AccessKeyID: s.accessKey, SecretAccessKey: secret}
	stream := v4.NewStreamSigner(credentials, "s3", s.region, s.signature)
	at := s.at
	return func(ctx context.Context, chunk []byte) ([]byte, error) {
		return stream.GetSignature(ctx, nil, chunk, at.In(time.UTC))
	}
}

// readChunks decodes a body of "<size>;chunk-signature=<hex>\r\n<data>\r\n"
// chunks, the last of which is empty. Nothing of it is returned unless every
// signature is right.
func readChunks(ctx context.Context, body io.Reader, sign chunkSigner) ([]byte, error) {
	reader := bufio.NewReader(body)
	var payload bytes.Buffer
	for {
		size, claimed, err := readChunkHeader(reader)
		if err != nil {
			return nil, err
		}
		chunk, err := readChunkData(reader, size)
		if err != nil {
			return nil, err
		}
		want, err := sign(ctx, chunk)
		if err != nil {
			return nil, fmt.Errorf("sign chunk: %w", err)
		}
		if !hmac.Equal(want, claimed) {
			return nil, signatureMismatch("The signature of a chunk does not match.")
		}
		if size == 0 {
			return payload.Bytes(), nil
		}
		payload.Write(chunk)
	}
}

func readChunkHeader(reader *bufio.Reader) (size int, claimed []byte, err error) {
	line, err := reader.ReadSlice('\n')
	if err != nil {
		return 0, nil, fmt.Errorf("read chunk header: %w", err)
	}
	text, ok := strings.CutSuffix(string(line), "\r\n")
	digits, digest, found := strings.Cut(text, ";chunk-signature=")
	if !ok || !found {
		return 0, nil, badRequest("IncompleteBody", "A chunk has no signature.")
	}
	length, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || length > maxChunk {
		return 0, nil, badRequest("InvalidChunkSizeError", "The size of a chunk is malformed or too large.")
	}
	claimed, err = hex.DecodeString(digest)
	if err != nil {
		return 0, nil, badRequest("IncompleteBody", "The signature of a chunk is malformed.")
	}
	return int(length), claimed, nil
}

func readChunkData(reader io.Reader, size int) ([]byte, error) {
	chunk := make([]byte, size+2)
	if _, err := io.ReadFull(reader, chunk); err != nil {
		return nil, fmt.Errorf("read chunk: %w", err)
	}
	data, ok := bytes.CutSuffix(chunk, []byte("\r\n"))
	if !ok {
		return nil, badRequest("IncompleteBody", "A chunk is longer than announced.")
	}
	return data, nil
}
