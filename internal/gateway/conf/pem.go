// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

// pemText takes a path, PEM text or the base64 form of PEM text. The value may
// be a private key: no error shows any of it.
func pemText(field func(*Config) *[]byte) setter {
	return func(c *Config, value string) error {
		if value == "" {
			return nil
		}
		data, err := readPEM(value)
		*field(c) = data
		return err
	}
}

// certificates takes a list of certificates. Their keys come with the next
// parameter, in the same order.
func certificates(field func(*Config) *[]KeyPair) setter {
	return func(c *Config, value string) error {
		*field(c) = nil
		for _, element := range list(value) {
			data, err := readPEM(element)
			if err != nil {
				return err
			}
			*field(c) = append(*field(c), KeyPair{Certificate: data})
		}
		return nil
	}
}

// certificateKeys takes the keys of the certificates that were stored before.
func certificateKeys(field func(*Config) *[]KeyPair) setter {
	return func(c *Config, value string) error {
		keys := list(value)
		if len(keys) != len(*field(c)) {
			return fmt.Errorf("there are %d keys for %d certificates; each certificate needs its key, in the same order",
				len(keys), len(*field(c)))
		}
		for i, element := range keys {
			data, err := readPEM(element)
			if err != nil {
				return err
			}
			(*field(c))[i].Key = data
		}
		return nil
	}
}

// setTrustedCertificates takes authorities: "system" or PEM.
func setTrustedCertificates(c *Config, value string) error {
	c.Trust.System, c.Trust.PEM = false, nil
	for _, element := range list(value) {
		if element == "system" {
			c.Trust.System = true
			continue
		}
		data, err := readPEM(element)
		if err != nil {
			return err
		}
		c.Trust.PEM = append(append(c.Trust.PEM, data...), '\n')
	}
	return nil
}

func readPEM(value string) ([]byte, error) {
	if data, isText := inlinePEM(value); isText {
		return requirePEM(data, "the given text")
	}
	data, err := readLimited(value)
	if err == nil {
		return requirePEM(data, short(value))
	}
	// What is no path may be a garbled key.
	var reason *os.PathError
	if errors.As(err, &reason) && looksLikePath(value) {
		return nil, fmt.Errorf("read %s: %w", short(value), reason.Err)
	}
	return nil, errors.New("is neither a readable file, nor PEM text, nor base64 of PEM text")
}

// looksLikePath tells a path from base64, which also has slashes.
func looksLikePath(value string) bool {
	return strings.HasPrefix(value, "/") && strings.ContainsAny(value, ".-_") && len(value) < 256
}

// inlinePEM is the PEM text that a value itself is, if it is one.
func inlinePEM(value string) ([]byte, bool) {
	const begin = "-----BEGIN "
	if strings.Contains(value, begin) {
		return []byte(value), true
	}
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value), ""))
	return data, err == nil && strings.Contains(string(data), begin)
}

func requirePEM(data []byte, what string) ([]byte, error) {
	if block, _ := pem.Decode(data); block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", what)
	}
	return data, nil
}
