// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// placeholder stands where a secret was (Kong 3.9).
const placeholder = "******"

// shown is a parameter with the text that stands for its value. A value that
// came through a vault reference is shown as the reference.
type shown struct {
	parameter *parameter
	value     string
}

// Redacted is the effective configuration under Kong's names and in the types
// that it has in JSON there: bool, float64, string, []string. Unset parameters
// are left out, secrets are "******". Kong shows it as "configuration" at the
// Admin API's / and sends it as process_conf in basic_info.
func (c *Config) Redacted() map[string]any {
	values := make(map[string]any, len(c.shown))
	for _, s := range c.shown {
		if value := s.typed(c); value != nil {
			values[s.parameter.name] = value
		}
	}
	return values
}

// typed is the value in its type, or nil.
func (s shown) typed(c *Config) any {
	p, value := s.parameter, s.value
	switch {
	case value == "":
		return nil
	case s.isSecret():
		return placeholder
	case strings.HasPrefix(value, referenceStart) && !p.kind.isList():
		return value
	case p.name == "database":
		return string(c.Database) // not what the table says; see reader.database
	case p.name == "prefix":
		return c.Prefix
	}
	switch p.kind {
	case boolean:
		return isOn(value)
	case directive:
		return onOff(isOn(value))
	case number:
		if n, err := strconv.ParseFloat(value, 64); err == nil && isFinite(n) {
			return n
		}
	case listKind, listenKind, pemListKind:
		return list(value)
	}
	return value
}

func isFinite(n float64) bool { return n-n == 0 }

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// isSecret also looks at what is in the value: a private key does not belong
// into a certificate, but people put it there.
func (s shown) isSecret() bool {
	if s.parameter.secret {
		return true
	}
	const mark = "PRIVATE KEY"
	if strings.Contains(s.value, mark) {
		return true
	}
	return slices.ContainsFunc(list(s.value), func(element string) bool {
		data, isText := inlinePEM(element)
		return isText && strings.Contains(string(data), mark)
	})
}

// EnvironmentFile is where a node keeps its effective configuration (Kong 3.9).
func (c *Config) EnvironmentFile() string { return filepath.Join(c.Prefix, ".kong_env") }

// WriteEnvironment writes the effective configuration to [Config.EnvironmentFile],
// readable for the owner alone, in the form of a kong.conf. Kong writes its
// secrets there too, because its worker processes and its command line read the
// file back. Nothing here does, so the secrets are left out: a prefix may lie on
// a volume that outlives the node, and is copied in support cases.
func (c *Config) WriteEnvironment() error {
	var text strings.Builder
	text.WriteString("# The configuration in force, written at the start of the node.\n# Secrets are left out. Changes here have no effect.\n")
	lines := make([]string, 0, len(c.shown))
	for name, value := range c.Redacted() {
		lines = append(lines, name+" = "+inFile(value)+"\n")
	}
	slices.Sort(lines)
	for _, line := range lines {
		text.WriteString(line)
	}
	return replaceFile(c.EnvironmentFile(), []byte(text.String()), 0o600)
}

// inFile writes a value of [Config.Redacted] as it stands in a kong.conf, on one
// line.
func inFile(value any) string {
	var text string
	switch v := value.(type) {
	case bool:
		text = onOff(v)
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
	case []string:
		text = strings.Join(v, ", ")
	default:
		text = fmt.Sprint(v)
	}
	if strings.ContainsAny(text, "\r\n") {
		return placeholder // PEM text; the file has no form for it
	}
	return strings.ReplaceAll(text, "#", `\#`)
}

// replaceFile writes a file so that no reader ever finds half of it.
func replaceFile(path string, data []byte, mode os.FileMode) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = temporary.Write(data)
	err = errors.Join(err, temporary.Chmod(mode), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temporary.Name()) // of no use, and the first error says more
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
