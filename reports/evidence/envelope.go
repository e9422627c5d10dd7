// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// payloadType is that of an in-toto statement.
const payloadType = "application/vnd.in-toto+json"

// envelope is a DSSE envelope. Its bytes are standard base64 with padding in JSON.
type envelope struct {
	Payload     []byte      `json:"payload"`
	PayloadType string      `json:"payloadType"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// preAuthentication is what is signed in place of a payload: DSSE's PAE, which binds
// the type to it.
func preAuthentication(kind string, payload []byte) []byte {
	b := []byte("DSSEv1 " + strconv.Itoa(len(kind)) + " " + kind + " " + strconv.Itoa(len(payload)) + " ")
	return append(b, payload...)
}

// seal signs a statement and encodes it, in one line.
func seal(s Statement, key PrivateKey) ([]byte, error) {
	payload, err := encode(s)
	if err != nil {
		return nil, fmt.Errorf("encode the statement: %w", err)
	}
	sealed, err := encode(envelope{
		Payload: payload, PayloadType: payloadType,
		Signatures: []signature{{KeyID: key.Public().ID(), Sig: ed25519.Sign(key.key, preAuthentication(payloadType, payload))}},
	})
	if err != nil {
		return nil, fmt.Errorf("encode the envelope: %w", err)
	}
	return append(sealed, '\n'), nil
}

// open decodes an envelope in the form that seal gives it, verifies its signature and
// decodes the statement. The name of the key, which is not signed, must be right, too.
func open(sealed []byte, key PublicKey) (Statement, error) {
	var e envelope
	line, ended := bytes.CutSuffix(sealed, []byte("\n"))
	if !ended {
		return Statement{}, errors.New("the envelope is not whole: its line has no end")
	}
	if err := decode(line, &e); err != nil {
		return Statement{}, fmt.Errorf("the envelope %w", err)
	}
	switch {
	case e.PayloadType != payloadType:
		return Statement{}, fmt.Errorf("it holds %q and not %s", e.PayloadType, payloadType)
	case len(e.Signatures) != 1:
		return Statement{}, fmt.Errorf("it has %d signatures and not one", len(e.Signatures))
	case e.Signatures[0].KeyID != key.ID():
		return Statement{}, fmt.Errorf("it was signed with the key %q, and the one to verify with is %s", e.Signatures[0].KeyID, key.ID())
	case !ed25519.Verify(key.key, preAuthentication(e.PayloadType, e.Payload), e.Signatures[0].Sig):
		return Statement{}, errors.New("the signature is not that of the key")
	}
	var s Statement
	if err := decode(e.Payload, &s); err != nil {
		return Statement{}, fmt.Errorf("the statement %w", err)
	}
	return s, s.check()
}

// encode is the one encoding of a value: Go's, compact, in the order of the fields.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// decode reads what encode wrote and nothing else: an unknown or repeated field, another
// order, white space, something behind the end, and base64 with other characters, breaks
// or left-over bits all change the bytes that encoding it again gives.
func decode[T any](text []byte, into *T) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	again, err := encode(*into)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, text) {
		return errors.New("is not in the one encoding that is signed")
	}
	return nil
}
