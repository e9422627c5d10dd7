// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setter stores a parameter's text in the configuration.
type setter = func(c *Config, value string) error

func text(field func(*Config) *string) setter {
	return func(c *Config, value string) error {
		*field(c) = value
		return nil
	}
}

// oneOf accepts one of the given words; a nil field keeps it nowhere.
func oneOf(field func(*Config) *string, allowed ...string) setter {
	return func(c *Config, value string) error {
		if !slices.Contains(allowed, value) {
			return fmt.Errorf("%q is not one of: %s", value, strings.Join(allowed, ", "))
		}
		if field != nil {
			*field(c) = value
		}
		return nil
	}
}

// flag takes on and true for true, and everything else for false, as Kong does.
func flag(field func(*Config) *bool) setter {
	return func(c *Config, value string) error {
		*field(c) = value == "on" || value == "true"
		return nil
	}
}

func duration(field func(*Config) *time.Duration) setter {
	return func(c *Config, value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is no positive duration like 500ms or 5s", value)
		}
		*field(c) = d
		return nil
	}
}

// maxSeconds keeps a number of seconds within what a time.Duration can hold.
const maxSeconds = 1e9

// seconds takes a number of seconds, with decimals if need be.
func seconds(field func(*Config) *time.Duration) setter {
	return func(c *Config, value string) error {
		number, err := strconv.ParseFloat(value, 64)
		if err != nil || !(number >= 0 && number <= maxSeconds) {
			return fmt.Errorf("%q is no number of seconds", value)
		}
		*field(c) = time.Duration(number * float64(time.Second))
		return nil
	}
}

func wholeNumber(value string) (int64, error) {
	number, err := strconv.ParseInt(value, 10, 64)
	if err != nil || number < 0 {
		return 0, fmt.Errorf("%q is no whole number", value)
	}
	return number, nil
}

// list splits a comma-separated list and leaves empty elements out.
func list(value string) []string {
	var elements []string
	for _, element := range strings.Split(value, ",") {
		if element = strings.TrimSpace(element); element != "" {
			elements = append(elements, element)
		}
	}
	return elements
}

// listen takes "off" or a list of "host:port [suffix …]".
func listen(field func(*Config) *[]string) setter {
	return func(c *Config, value string) error {
		*field(c) = nil
		if value == "off" || value == "" {
			return nil
		}
		for _, element := range list(value) {
			address, err := listenAddress(element)
			if err != nil {
				return err
			}
			*field(c) = append(*field(c), address)
		}
		return nil
	}
}

func listenAddress(element string) (string, error) {
	words := strings.Fields(element)
	for _, suffix := range words[1:] {
		name, _, _ := strings.Cut(suffix, "=")
		switch name {
		case "reuseport", "backlog", "deferred", "bind", "so_keepalive": // tuning of nginx's sockets
		default:
			return "", fmt.Errorf("%q: a listener with %s is not supported yet; use a plain one", element, name)
		}
	}
	return hostPort(words[0])
}

func hostPort(address string) (string, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%q is no host:port", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q has no valid port", address)
	}
	return address, nil
}

func setControlPlane(c *Config, value string) error {
	address, err := hostPort(value)
	c.Cluster.ControlPlane = address
	return err
}

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

func readPEM(value string) ([]byte, error) {
	if strings.Contains(value, "-----BEGIN ") {
		return requirePEM([]byte(value), "the given text")
	}
	if data, err := base64.StdEncoding.DecodeString(value); err == nil && strings.Contains(string(data), "-----BEGIN ") {
		return requirePEM(data, "the given base64 text")
	}
	data, err := os.ReadFile(value)
	if err == nil {
		return requirePEM(data, value)
	}
	// What is no path may be a garbled key.
	var reason *os.PathError
	if errors.As(err, &reason) && strings.HasPrefix(value, "/") {
		return nil, fmt.Errorf("read %s: %w", value, reason.Err)
	}
	return nil, errors.New("is neither a readable file, nor PEM text, nor base64 of PEM text")
}

func requirePEM(data []byte, what string) ([]byte, error) {
	if block, _ := pem.Decode(data); block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", what)
	}
	return data, nil
}
